"""ONNX Runtime answers only where its answers are scikit-learn's; otherwise scikit-learn does, and the log says why."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from mlops_provider.serving.engine import load_onnx
from mlops_provider.store.models import load_model
from mlops_provider.store.services import read_service


def served_version(yard, frame, **options):
    yard.deploy(yard.publish(frame, **options))
    return read_service(yard.store, "tumour", "production").primary


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_a_model_that_translates_gives_the_same_answers(yard, tumours, kind):
    from sklearn.linear_model import LogisticRegression, Ridge

    estimators = {
        "logistic": LogisticRegression(max_iter=5000),
        "ridge": Ridge(),
    }
    version = served_version(yard, tumours, estimator=estimators[kind], regress=kind == "ridge")

    served = load_onnx(yard.store, version)
    rows = tumours.drop(columns="target")
    answer = served.answer(rows.to_numpy())

    assert served.engine == "onnxruntime"
    model = load_model(yard.store, version.model)
    if kind == "ridge":
        np.testing.assert_allclose(answer.predictions, model.predict(rows), rtol=1e-5, atol=1e-5)
    else:
        assert answer.predictions.tolist() == model.predict(rows).tolist()
        np.testing.assert_allclose(answer.probabilities, model.probabilities(rows), atol=1e-5)


def test_a_translation_that_answers_otherwise_is_not_used(yard, tumours, caplog):
    """A forest's translation compares floats: values at a threshold fall on the other side."""
    from sklearn.ensemble import RandomForestClassifier

    version = served_version(yard, tumours, estimator=RandomForestClassifier(30, max_depth=4, random_state=0))

    with caplog.at_level(logging.WARNING):
        served = load_onnx(yard.store, version)

    assert served.engine == "scikit-learn"
    assert "golden and baseline rows differ" in caplog.text


def test_a_model_of_words_stays_with_scikit_learn(yard, words, caplog):
    version = served_version(yard, words)

    with caplog.at_level(logging.WARNING):
        served = load_onnx(yard.store, version)

    assert served.engine == "scikit-learn"
    assert "scikit-learn answers, not ONNX Runtime" in caplog.text
