"""Importance and fairness of models of every task: several labels, rankings, forecasts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.tree import DecisionTreeClassifier

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import DatasetRef, ModelRef
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.explanation.dependence import partial_dependences
from mlops_provider.runtime.explanation.fairness import measure_fairness
from mlops_provider.runtime.explanation.importance import correlated_columns, permutation_importances
from mlops_provider.runtime.explanation.outputs import output_names, outputs
from mlops_provider.runtime.explanation.sample import sample_rows
from mlops_provider.store.models import Feature, LoadedModel, Signature

FEATURES = (Feature("signal", "float"), Feature("noise", "float"))


class Labels(MultiOutputClassifier):
    """Several labels, whose probabilities are n x labels."""

    def predict_proba(self, inputs):
        return np.column_stack([part[:, 1] for part in super().predict_proba(inputs)])


def frame_of(rows=400):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"signal": random.normal(size=rows), "noise": random.normal(size=rows)})
    return frame.assign(
        red=(frame["signal"] > 0).astype(int),
        blue=(frame["signal"] > 1).astype(int),
        relevance=np.clip(np.round(frame["signal"] + 2), 0, 4).astype(int),
        value=frame["signal"] * 3,
        query=[f"q{i // 8}" for i in range(rows)],
        at=pd.date_range("2026-01-01", periods=rows, freq="h"),
        group=["a" if i % 3 else "b" for i in range(rows)],
    )


def model_of(task, frame):
    inputs = frame[["signal", "noise"]]
    common = {"task": task, "features": FEATURES, "target_type": "integer"}
    if task == "multilabel":
        signature = Signature(target="red,blue", labels=("red", "blue"), classes=(0, 1), **common)
        pipeline = Labels(DecisionTreeClassifier(max_depth=3)).fit(inputs, frame[["red", "blue"]])
    elif task == "ranking":
        signature = Signature(target="relevance", query="query", **common)
        pipeline = LinearRegression().fit(inputs, frame["relevance"])
    else:
        signature = Signature(target="value", timestamp="at", season=24, **common)
        pipeline = LinearRegression().fit(inputs, frame["value"])
    return LoadedModel(ModelRef(uri="m", digest="0" * 64), signature, pipeline, None)


@pytest.mark.parametrize(
    ("task", "scoring"),
    [("multilabel", ""), ("multilabel", "roc_auc"), ("ranking", ""), ("forecasting", ""), ("forecasting", "mase")],
)
def test_the_signal_matters_and_the_noise_does_not(task, scoring):
    frame = frame_of()

    found = permutation_importances(model_of(task, frame), frame, scoring=scoring, repeats=3)

    assert [one.columns[0] for one in found.columns] == ["signal", "noise"]
    assert found.columns[0].mean > 0.1
    assert found.columns[1].mean == pytest.approx(0, abs=0.01)
    assert not found.columns[0].noise


@pytest.mark.parametrize("task", ["multilabel", "ranking", "forecasting"])
def test_every_output_has_its_dependence(task):
    frame = frame_of()
    model = model_of(task, frame)

    [found] = partial_dependences(model, frame, ["signal"])

    assert list(found.outputs) == output_names(model.signature)
    middle = frame["signal"].mean()
    for index, (name, numbers) in enumerate(found.outputs.items()):
        assert numbers[-1] > numbers[0], name
        low, high = (outputs(model, frame.assign(signal=end))[:, index].mean() for end in (found.values[0], middle))
        assert numbers[0] == pytest.approx(low)
        assert min(numbers) <= high <= max(numbers)


def test_a_label_may_be_what_is_good_for_a_person():
    frame = frame_of()
    model = model_of("multilabel", frame)
    answers = Answers.of(model, frame)

    found = measure_fairness(answers, frame["group"], favorable="blue")

    given = pd.Series(answers.predicted[:, 1]).groupby(frame["group"]).mean()
    assert found.gaps["demographic_parity_difference"].value == pytest.approx(abs(given["a"] - given["b"]))
    assert set(measure_fairness(answers, frame["group"]).gaps) == {"accuracy_difference"}
    with pytest.raises(ConfigError, match="there is no class 'green'"):
        measure_fairness(answers, frame["group"], favorable="green")


def test_ranked_scores_are_compared_by_their_mean_alone():
    frame = frame_of()
    answers = Answers.of(model_of("ranking", frame), frame)

    assert set(measure_fairness(answers, frame["group"]).gaps) == {"mean_prediction_difference"}
    with pytest.raises(ConfigError, match="'favorable' names a class, but the model gives numbers"):
        measure_fairness(answers, frame["group"], favorable="a")


@pytest.fixture
def stored(bench):
    frame = frame_of()
    (bench.root / "rows.csv").write_text(frame.to_csv(index=False))
    return bench.dataset("rows.csv")


def test_a_sample_of_a_ranking_has_whole_queries(bench, stored):
    signature = model_of("ranking", frame_of()).signature

    sample = sample_rows(bench.store, stored, signature, 60, seed=0)

    assert 60 <= len(sample) < 68
    assert set(sample.groupby("query").size()) == {8}
    assert "mlops_row" not in sample


def test_a_sample_of_a_forecast_has_the_latest_rows_in_their_order(bench, stored):
    signature = model_of("forecasting", frame_of()).signature

    sample = sample_rows(bench.store, stored, signature, 50, seed=0)

    assert len(sample) == 50
    assert sample["at"].is_monotonic_increasing
    assert sample["signal"].tolist() == pytest.approx(frame_of()["signal"].tail(50).tolist())


def test_a_sample_of_rows_depends_on_the_seed_only(bench, stored):
    signature = SimpleNamespace(query="", timestamp="", task="regression")
    take = [sample_rows(bench.store, stored, signature, 50, seed)["signal"].tolist() for seed in (1, 1, 2)]

    assert len(take[0]) == 50
    assert take[0] == take[1] != take[2]
    assert isinstance(stored, DatasetRef)


def test_sets_of_correlated_columns_are_linked_through_others():
    random = np.random.default_rng(0)
    base = random.normal(size=300)
    frame = pd.DataFrame(
        {
            "a": base,
            "alone": random.normal(size=300),
            "b": -np.exp(base),
            "text": ["x"] * 300,
            "constant": 1.0,
            "c": base + random.normal(0, 0.1, 300),
        }
    )

    assert correlated_columns(frame) == [("a", "b", "c")]
    assert correlated_columns(frame[["a", "text"]]) == []
