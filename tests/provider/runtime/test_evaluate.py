"""Evaluate: scikit-learn's numbers, gates that block, the champion on the same rows."""

from __future__ import annotations

import pytest
from sklearn.metrics import accuracy_score, precision_score, roc_auc_score, root_mean_squared_error

from mlops_dag_factory.spec import EvaluateSpec, TrainSpec, TransformSpec
from mlops_provider.exceptions import CheckpointBlockedError, DataError, DigestMismatchError, ExpressionError
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
    assert {file.name for file in report.files()} == {"report.html", "report.json", "report.md", "evidently.parquet"}


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


def derived(bench, data, sql):
    return bench.run(TransformSpec(data="n", sql=sql), {"data": data}).outputs["data"]


def test_a_metric_that_is_nan_is_named_with_its_reason(bench):
    model, _, test = bench.model("sklearn:breast_cancer")
    healthy = derived(bench, test, "SELECT * FROM n WHERE target = 1")

    with pytest.raises(ExpressionError, match=r"'roc_auc' is missing: it is nan on \d+ rows with 1 different"):
        evaluate(bench, model, healthy, gates=["roc_auc >= 0.5"])


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * EXCLUDE alcohol FROM n", "no column 'alcohol'"),
        ("SELECT * REPLACE ('a' || alcohol AS alcohol) FROM n", "column 'alcohol' is string, .* learned it as float"),
        ("SELECT * REPLACE (target + 7 AS target) FROM n", "holds no class that the model knows"),
        ("SELECT * REPLACE ('c' || target AS target) FROM n", "holds no class that the model knows"),
        ("SELECT * REPLACE (nullif(target, 1) AS target) FROM n", "is missing in"),
    ],
)
def test_data_that_the_model_does_not_fit_is_an_error(bench, sql, message):
    model, _, test = bench.model("sklearn:wine")

    with pytest.raises(DataError, match=message):
        evaluate(bench, model, derived(bench, test, sql))


def test_a_model_whose_digest_differs_is_not_evaluated(bench):
    model, _, test = bench.model()
    file = bench.store.open(model).folder / "model.skops"
    file.write_bytes(file.read_bytes()[:-1] + b"x")

    with pytest.raises(DigestMismatchError, match=r"model\.skops has digest"):
        evaluate(bench, model, test)
    assert bench.store.files.list("flow/reports") == []


def test_a_champion_that_learned_a_column_as_another_type_is_not_applicable(bench):
    texts = bench.csv("t.csv", "c,y\n" + "".join(f"{'ab'[i % 2]},{i % 2}\n" for i in range(40)))
    numbers = bench.csv("n.csv", "c,y\n" + "".join(f"{i % 2},{1 - i % 2}\n" for i in range(40)))
    spec = TrainSpec(data="d", target="y", estimator="sklearn.linear_model.LogisticRegression")
    old, new = (bench.run(spec, {"data": data}).outputs["model"] for data in (texts, numbers))
    tracking.set_alias(bench.tracking_uri, "flow", tracking.CHAMPION, bench.version(old).version)

    [rule] = evaluate(bench, new, numbers, gates=["accuracy >= champion.accuracy"]).verdict.rules

    assert rule.result == "not_applicable"
    assert "column 'c' is integer, but the model learned it as string" in rule.why


def test_many_classes_of_which_few_occur_fit_the_page(bench):
    rows = bench.csv("many.csv", "x,y\n" + "".join(f"{i},{i // 10}\n" for i in range(400)))
    spec = TrainSpec(data="d", target="y", estimator="sklearn.tree.DecisionTreeClassifier")
    model = bench.run(spec, {"data": rows}).outputs["model"]

    outcome = evaluate(bench, model, derived(bench, rows, "SELECT * FROM n WHERE y > 35"), gates=["accuracy == 1"])

    page = (bench.store.open(outcome.outputs["report"]).folder / "report.html").read_text()
    assert "The 30 most frequent classes; 10 more are not shown." in page
    assert page.count("<script") == page.count("http") == 0


def test_probabilities_have_intervals_too(bench):
    model, _, test = bench.model("sklearn:breast_cancer")

    outcome = evaluate(bench, model, test, gates=["roc_auc > 0.5 and log_loss < 1"])

    for name in ("roc_auc", "log_loss"):
        low, high = outcome.details["intervals"][name]
        assert low < outcome.metrics[name] < high


def champion(bench, model, **context):
    tracking.set_alias(bench.tracking_uri, "flow", tracking.CHAMPION, bench.version(model, **context).version)


def test_gates_on_the_gain_and_on_the_worst_slice_say_all_that_they_saw(bench):
    weak, _, test = bench.model("sklearn:breast_cancer", features=["mean smoothness"])
    champion(bench, weak)
    strong, _, _ = bench.model("sklearn:breast_cancer")
    gates = ["gain.accuracy.low > 0", "worst.accuracy >= 0.5", "gain.roc_auc.p_value < 0.05", "mcc > champion.mcc"]

    outcome = evaluate(bench, strong, test, gates=gates)

    gain, worst, _, mcc = outcome.verdict.rules
    frame = read_frame(bench.store, test)
    baseline = accuracy_score(frame["target"], load_model(bench.store, weak).predict(frame))
    assert outcome.verdict.status == "passed"
    assert gain.value == outcome.details["gain"]["accuracy"]["low"]
    assert (gain.threshold, gain.baseline, gain.n) == (0, pytest.approx(baseline), len(frame))
    assert outcome.details["gain"]["accuracy"]["test"] == "McNemar's exact test"
    assert worst.slice
    assert 30 <= worst.n < len(frame)
    assert worst.value <= outcome.metrics["accuracy"]
    assert mcc.threshold == mcc.baseline == outcome.details["champion"]["mcc"]
    assert f"where {worst.slice}" in worst.why


def test_a_champion_without_probabilities_has_nothing_to_compare_them_with(bench):
    svc, _, test = bench.model("sklearn:iris", "sklearn.svm.SVC")
    champion(bench, svc)
    model, _, _ = bench.model("sklearn:iris")

    [rule] = evaluate(bench, model, test, gates=["log_loss <= champion.log_loss"]).verdict.rules

    assert rule.result == "not_applicable"
    assert rule.why == "the champion has no log_loss: the model gives no probabilities"


def test_a_champion_that_learned_from_other_columns_names_those_that_miss(bench):
    model, _, test = bench.model("sklearn:wine")
    champion(bench, model)
    fewer = derived(bench, test, "SELECT * EXCLUDE (alcohol, hue) FROM n")
    new, _, _ = bench.model("sklearn:wine", features=["ash", "magnesium"])

    [rule] = evaluate(bench, new, fewer, gates=["gain.accuracy.value >= 0"]).verdict.rules

    assert rule.result == "not_applicable"
    assert "cannot be compared: the evaluation data has no column 'alcohol', 'hue'" in rule.why


def test_a_metric_that_is_asked_for_and_cannot_be_is_an_error(bench):
    model, _, test = bench.model("sklearn:iris", "sklearn.svm.SVC")

    with pytest.raises(DataError, match="the metric 'log_loss' cannot be measured: the model gives no probabilities"):
        evaluate(bench, model, test, metrics=["accuracy", "log_loss"])
    assert "log_loss" in evaluate(bench, model, test).details["undefined"]


def test_new_classes_are_counted_and_said(bench):
    model, _, test = bench.model("sklearn:wine")
    newer = derived(bench, test, "SELECT * REPLACE (CASE WHEN target = 2 THEN 9 ELSE target END AS target) FROM n")

    outcome = evaluate(bench, model, newer, gates=["accuracy > 0.1"])

    frame = read_frame(bench.store, newer)
    assert outcome.details["new_classes"] == {"9": int((frame["target"] == 9).sum())}
    assert "rows are of classes that the model does not know" in outcome.summary
