"""Calibration: scikit-learn's curve and Brier score, the errors it sums up to, and what a perfect forecast gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import Ridge
from sklearn.metrics import brier_score_loss
from sklearn.naive_bayes import GaussianNB

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.calibration import ErrorProfile, Reliability, by_class, ece, top_label


@pytest.fixture(scope="module")
def cancer():
    """Truth and the overconfident probabilities of naive Bayes."""
    inputs, truth = load_breast_cancer(return_X_y=True)
    model = GaussianNB().fit(inputs[::2], truth[::2])
    return truth[1::2], model.predict_proba(inputs[1::2])


def test_the_curve_is_scikit_learns(cancer):
    truth, chances = cancer

    found = Reliability.of(truth == 1, chances[:, 1])

    seen, said = calibration_curve(truth, chances[:, 1], n_bins=10, strategy="uniform")
    assert found.seen == pytest.approx(seen)
    assert found.said == pytest.approx(said)
    assert found.brier == pytest.approx(brier_score_loss(truth, chances[:, 1]))
    assert found.ece == pytest.approx(np.average(np.abs(seen - said), weights=found.counts))


def test_values_on_the_edges_fall_where_scikit_learn_puts_them():
    chances = np.linspace(0, 1, 21)
    truth = (chances > 0.42).astype(int)

    found = Reliability.of(truth == 1, chances)

    seen, said = calibration_curve(truth, chances, n_bins=10)
    assert (found.seen, found.said) == (pytest.approx(seen), pytest.approx(said))


outcomes = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=200)


@given(outcomes)
def test_the_parts_add_up_to_the_brier_score(rows):
    happened, chance = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])

    found = Reliability.of(happened, chance)

    parts = found.reliability - found.resolution + found.uncertainty + found.within
    assert parts == pytest.approx(found.brier, abs=1e-9)
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0
    assert 0 <= found.ece <= 1


def test_a_forecast_that_keeps_its_word_has_no_error():
    chance = np.repeat([0.25, 0.75], 400)
    happened = np.tile([True, False, False, False], 100).tolist() + np.tile([False, True, True, True], 100).tolist()

    found = Reliability.of(np.array(happened), chance)

    assert (found.ece, found.reliability, found.within) == pytest.approx((0, 0, 0))


def test_of_many_classes_the_error_is_that_of_the_highest_probability():
    inputs, truth = load_digits(return_X_y=True)
    chances = GaussianNB().fit(inputs[::2], truth[::2]).predict_proba(inputs[1::2])
    truth, classes = truth[1::2], list(range(10))

    found = ece(truth, chances, classes)

    right, sure = chances.argmax(axis=1) == truth, chances.max(axis=1)
    seen, said = calibration_curve(right, sure, n_bins=10)
    counts = np.histogram(sure, bins=np.linspace(0, 1, 11))[0]
    assert found == pytest.approx(np.average(np.abs(seen - said), weights=counts[counts > 0]))
    assert found == top_label(truth, chances, classes).ece
    assert list(by_class(truth, chances, classes)) == classes


def test_of_several_labels_the_error_is_their_mean(cancer):
    truth, chances = cancer
    both = np.stack([truth, 1 - truth], axis=1)

    found = ece(both, chances[:, ::-1], [])

    assert found == pytest.approx(ece(truth, chances, [0, 1]))  # the same error seen from either side


@pytest.mark.parametrize("chances", [[], [0.2, 1.4], [0.2, float("nan")]])
def test_what_is_no_probability_is_refused(chances):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Reliability.of(np.ones(len(chances), dtype=bool), np.array(chances))


def test_errors_of_numbers_are_profiled_by_prediction():
    inputs, truth = load_diabetes(return_X_y=True)
    predicted = Ridge().fit(inputs, truth).predict(inputs)

    found = ErrorProfile.of(truth, predicted)

    assert found.quantiles["0.9"] == pytest.approx(np.quantile(np.abs(predicted - truth), 0.9))
    assert sum(found.counts) == len(truth)
    assert list(found.predicted) == sorted(found.predicted)
    assert np.average(found.mean_error, weights=found.counts) == pytest.approx(np.mean(predicted - truth))
