"""Evaluate: scikit-learn's numbers, gates that block, the champion on the same rows."""

from __future__ import annotations

import pytest
from sklearn.metrics import accuracy_score, precision_score, roc_auc_score, root_mean_squared_error

from mlops_dag_factory.spec import EvaluateSpec
from mlops_provider.exceptions import CheckpointBlockedError, ExpressionError
from mlops_provider.runtime import tracking
from mlops_provider.runtime.records import run_records
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model


def evaluate(bench, model, data, **fields):
    return bench.run(EvaluateSpec(model="m", data="d", **fields), {"model": model, "data": data})


def test_the_numbers_are_scikit_learns(bench):
    model, _, test = bench.model("sklearn:breast_cancer")

    outcome = evaluate(bench, model, test, gates=["accuracy >= 0.9"])

    frame, loaded = read_frame(bench.store, test), load_model(bench.store, model)
    predicted = loaded.predict(frame)
    assert outcome.metrics["accuracy"] == pytest.approx(accuracy_score(frame["target"], predicted))
    assert outcome.metrics["precision"] == pytest.approx(precision_score(frame["target"], predicted))
    scores = loaded.probabilities(frame)[:, 1]
    assert outcome.metrics["roc_auc"] == pytest.approx(roc_auc_score(frame["target"], scores))
    low, high = outcome.details["intervals"]["accuracy"]
    assert low < outcome.metrics["accuracy"] < high
    report = bench.store.open(outcome.outputs["report"])
    assert {file.name for file in report.files()} == {"report.html", "report.json", "report.md"}


def test_regression_has_its_own_metrics(bench):
    model, _, test = bench.model("sklearn:diabetes", "sklearn.linear_model.Ridge")

    metrics = evaluate(bench, model, test, gates=["rmse < 100"]).metrics

    frame = read_frame(bench.store, test)
    predicted = load_model(bench.store, model).predict(frame)
    assert metrics["rmse"] == pytest.approx(root_mean_squared_error(frame["target"], predicted))


def test_a_gate_that_does_not_hold_blocks_and_is_on_record(bench):
    model, _, test = bench.model()

    with pytest.raises(CheckpointBlockedError, match=r"accuracy > 1 does not hold"):
        evaluate(bench, model, test, gates=["accuracy > 1", "recall > 0.5"])
    record = run_records(bench.store, "flow", "run-1")[-1]
    assert record["status"] == "blocked"
    assert [rule["result"] for rule in record["verdict"]["rules"]] == ["failed", "passed"]


def test_no_gate_proves_nothing(bench):
    model, _, test = bench.model()

    assert evaluate(bench, model, test).verdict.status == "vacuous"


def test_a_metric_that_does_not_exist_here_is_named(bench):
    model, _, test = bench.model("sklearn:iris", "sklearn.svm.SVC")

    with pytest.raises(ExpressionError, match="'roc_auc' is missing"):
        evaluate(bench, model, test, gates=["roc_auc >= 0.5"])


def test_the_champion_is_measured_on_the_same_rows(bench):
    weak, _, test = bench.model("sklearn:breast_cancer", features=["mean smoothness"])
    version = bench.version(weak)
    tracking.set_alias(bench.context("x", "x").tracking_uri, "flow", tracking.CHAMPION, version.version)
    strong, _, _ = bench.model("sklearn:breast_cancer")

    outcome = evaluate(bench, strong, test, gates=["accuracy > champion.accuracy"])

    frame = read_frame(bench.store, test)
    expected = accuracy_score(frame["target"], load_model(bench.store, weak).predict(frame))
    assert outcome.verdict.status == "passed"
    assert outcome.details["champion"]["accuracy"] == pytest.approx(expected)


def test_a_champion_that_cannot_be_compared_is_not_applicable(bench):
    other, _, _ = bench.model("sklearn:wine")
    version = bench.version(other)
    tracking.set_alias(bench.context("x", "x").tracking_uri, "flow", tracking.CHAMPION, version.version)
    model, _, test = bench.model("sklearn:iris")

    outcome = evaluate(bench, model, test, gates=["accuracy > champion.accuracy", "accuracy > 0.5"])

    assert [rule.result for rule in outcome.verdict.rules] == ["not_applicable", "passed"]
    assert "cannot be compared" in outcome.verdict.rules[0].why
