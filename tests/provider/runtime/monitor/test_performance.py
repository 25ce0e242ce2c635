"""Performance over labelled rows: the numbers are scikit-learn's, a gate says how sure it is, nothing is made up."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.exceptions import ConfigError, DataError, ExpressionError
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.intervals import intervals
from mlops_provider.runtime.monitor.known_names import require_known
from mlops_provider.runtime.monitor.performance.log_answers import answers_of, measured_by_log
from mlops_provider.runtime.monitor.performance.segments import measure_segments, rows_by_segment
from mlops_provider.runtime.monitor.windows.segments import Segments
from mlops_provider.runtime.one_number import one_number
from mlops_provider.runtime.table import connect, seal
from mlops_provider.store.models import Signature

LABELS = {"source": "labels", "column": "target"}


def rule(outcome, name):
    [found] = [rule for rule in outcome.verdict.rules if rule.rule == name]
    return found


def content(service, outcome):
    return json.loads((service.report(outcome) / "report.json").read_text())["performance"]


@pytest.fixture
def tumours(trained):
    service = trained("sklearn:breast_cancer", parameters={"max_iter": 5000})
    service.chances = service.model.probabilities(service.rows)
    return service


@pytest.fixture
def diabetes(trained):
    return trained("sklearn:diabetes", "sklearn.linear_model.Ridge")


def test_metrics_have_intervals_and_a_gate_may_ask_for_certainty(tumours):
    wrong = tumours.rows["target"].where(np.arange(len(tumours.rows)) % 10 > 0, 1 - tumours.rows["target"])
    tumours.deliver(tumours.log(tumours.rows, probability=tumours.chances.max(axis=1)), wrong)
    gates = ["accuracy >= 0.9", "accuracy.high >= 0.9", "recall.low >= 0.99"]

    _, outcome, _ = tumours.look(labels=LABELS, checks={"performance": gates})

    answers = Answers.of(tumours.model, tumours.rows.assign(target=wrong))
    expected = metrics.accuracy_score(wrong, answers.predicted)
    assert outcome.metrics["accuracy"] == pytest.approx(expected)
    assert outcome.metrics["roc_auc"] == pytest.approx(metrics.roc_auc_score(wrong, tumours.chances[:, 1]))
    low, high = intervals(answers, {"accuracy": expected})["accuracy"]
    assert expected < 0.9 < high
    assert [rule(outcome, gate).result for gate in gates] == ["failed", "passed", "failed"]
    said = (
        f"accuracy = {expected:.4g}: accuracy >= 0.9 does not hold (95 % interval of accuracy {low:.4g} to {high:.4g}"
    )
    assert rule(outcome, "accuracy >= 0.9").why == f"{said}; {len(wrong)} rows)"
    assert content(tumours, outcome)["intervals"]["accuracy"] == pytest.approx([low, high])
    page = (tumours.report(outcome) / "report.html").read_text()
    assert f"On {len(wrong)} predictions whose true outcome is known." in page


def test_numbers_are_measured_too(diabetes):
    diabetes.deliver(diabetes.log(diabetes.rows), diabetes.rows["target"])
    gates = ["mae <= 40", "r2 >= 0.2", "medae <= 100"]

    _, outcome, _ = diabetes.look(labels=LABELS, checks={"performance": gates})

    truth, predicted = diabetes.rows["target"], diabetes.model.predict(diabetes.rows)
    for name, value in {
        "mae": metrics.mean_absolute_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted),
        "medae": metrics.median_absolute_error(truth, predicted),
    }.items():
        assert outcome.metrics[name] == pytest.approx(value)
    assert [rule(outcome, gate).result for gate in gates] == ["failed", "passed", "passed"]


def test_whole_numbers_are_predicted_with_fractions(trained, tmp_path):
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"hour": random.normal(size=600)})
    frame["target"] = random.poisson(np.exp(0.3 + 0.5 * frame["hour"]))
    frame.to_csv(tmp_path / "calls.csv", index=False)
    service = trained(tmp_path / "calls.csv", "sklearn.linear_model.Ridge")
    service.deliver(service.log(service.rows), service.rows["target"])

    _, outcome, _ = service.look(labels=LABELS, checks={"performance": ["mae <= 5"]})

    expected = metrics.mean_absolute_error(service.rows["target"], service.model.predict(service.rows))
    assert outcome.metrics["mae"] == pytest.approx(expected)


def test_the_business_counts_with_sql_that_needs_no_labels(diabetes):
    diabetes.log(diabetes.rows)
    business = {
        "promised": "SELECT sum(prediction) FROM predictions WHERE x_bmi > 0 -- heavy",
        "known": {"sql": "SELECT avg(truth) FROM predictions"},
        "stolen": "SELECT count(*) FROM read_csv('/etc/passwd')",
        "two": "SELECT 1, 2",
    }
    gates = ["promised <= 100", "known >= 1", "stolen == 0", "two == 1", "mae <= 50"]

    _, outcome, _ = diabetes.look(labels=LABELS, checks={"performance": gates, "business": business})

    heavy = diabetes.rows["bmi"] > 0
    assert outcome.metrics["promised"] == pytest.approx(diabetes.model.predict(diabetes.rows)[heavy].sum())
    results = [rule(outcome, gate).result for gate in gates]
    assert results == ["failed", "not_applicable", "not_applicable", "not_applicable", "not_applicable"]
    assert rule(outcome, "known >= 1").why == "known has no value on this window"
    assert rule(outcome, "mae <= 50").why == "0 labels have arrived, 100 are needed"
    assert rule(outcome, "business.stolen").result == "warned"
    assert "the SQL of 'stolen' failed: Permission Error" in rule(outcome, "business.stolen").why
    assert rule(outcome, "business.two").why == "the SQL of 'two' gives 1 rows of 2 columns"


def test_a_number_of_the_business_has_a_name_of_its_own(diabetes):
    diabetes.log(diabetes.rows)

    with pytest.raises(ConfigError, match="has a metric 'mae' already"):
        diabetes.look(labels=LABELS, checks={"performance": ["mae <= 1"], "business": {"mae": "SELECT 1"}})


def test_a_query_without_end_is_ended():
    with connect() as connection:
        seal(connection)
        endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b"

        with pytest.raises(DataError, match=r"was ended after 0\.2 seconds"):
            one_number(connection, endless, "metric 'endless'", seconds=0.2)
        assert one_number(connection, "SELECT 2", "metric 'next'") == 2


def test_segments_are_measured_each_the_worst_first(trained, tmp_path):
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"x": random.normal(size=2000), "region": random.choice(["north", "south"], 2000)})
    frame["target"] = (frame["x"] > 0).astype(int)
    frame.to_csv(tmp_path / "sales.csv", index=False)
    service = trained(tmp_path / "sales.csv")
    rows = service.rows.assign(region=np.where(np.arange(len(service.rows)) < 25, "islands", service.rows["region"]))
    flipped = (rows["region"] == "south") & (np.arange(len(rows)) % 3 == 0)
    truth = rows["target"].where(~flipped, 1 - rows["target"])
    service.deliver(service.log(rows), truth)
    gates = ["accuracy >= 0.8", "worst_segment.accuracy >= 0.8"]

    _, outcome, _ = service.look(labels=LABELS, segments=["region"], checks={"performance": gates})

    south = rows["region"] == "south"
    expected = metrics.accuracy_score(truth[south], service.model.predict(rows[south]))
    assert [rule(outcome, gate).result for gate in gates] == ["passed", "failed"]
    worst = rule(outcome, "worst_segment.accuracy >= 0.8")
    assert (worst.value, worst.slice, worst.n) == (pytest.approx(expected), "region = south", south.sum())
    found = content(service, outcome)
    assert [(one["name"], one["judged"]) for one in found["segments"]] == [
        ("region = south", True),
        ("region = north", True),
        ("region = (other)", False),
    ]
    assert outcome.metrics["worst_segment.accuracy"] == pytest.approx(expected)
    assert found["slices"]["slices"][0]["text"].startswith("region = south")


def test_segments_part_the_labelled_rows():
    random = np.random.default_rng(0)
    town = np.array([f"t{i:03d}" for i in np.minimum(random.geometric(0.05, 5000), 90)])
    rows = pd.DataFrame({"truth": random.normal(size=5000), "prediction": 0.0, "probability": None, "x_town": town})
    rows["x_age"] = np.where(np.arange(5000) % 50 == 0, np.nan, random.uniform(20, 80, 5000))
    segments = Segments({"town": ("t001", "t002")}, {"age": (40.0,)})
    signature = Signature(task="regression", features=(), target="y", target_type="float")

    inside = rows_by_segment(rows, segments)
    found = {one.name: one for one in measure_segments(answers_of(signature, rows), inside, ["mae"])}

    assert set(found) == {"town = t001", "town = t002", "town = (other)", "age < 40", "age >= 40", "age = (other)"}
    assert sum(one.rows for name, one in found.items() if name.startswith("town")) == 5000
    assert found["age = (other)"].rows == rows["x_age"].isna().sum() == 100
    expected = abs(rows["truth"][town == "t002"]).mean()
    assert found["town = t002"].metrics["mae"] == pytest.approx(expected)
    low, high = found["town = t002"].intervals["mae"]
    assert low < expected < high
    assert not rows_by_segment(rows.drop(columns=["x_town", "x_age"]), segments)


def test_what_rows_do_not_define_is_said_and_is_no_alarm(tumours):
    tumours.deliver(tumours.log(tumours.rows, probability=np.nan), np.ones(len(tumours.rows), dtype=int))
    gates = ["roc_auc >= 0.9", "recall >= 0.5", "specificity >= 0.5", "log_loss <= 1"]

    _, outcome, _ = tumours.look(labels=LABELS, checks={"performance": gates})

    assert [rule(outcome, gate).result for gate in gates] == ["not_applicable", "passed", "failed", "not_applicable"]
    assert rule(outcome, "roc_auc >= 0.9").why == "roc_auc cannot be measured: the model gives no probabilities"


def test_text_in_the_labels_of_numbers_counts_as_no_label(diabetes):
    ids = diabetes.log(diabetes.rows)
    diabetes.deliver(ids, ["lost", *diabetes.rows["target"][1:]])

    _, outcome, _ = diabetes.look(labels=LABELS, checks={"performance": ["mae <= 90"]})

    assert outcome.metrics["labelled"] == len(ids) - 1
    assert outcome.verdict.status == "passed"


def test_infinite_predictions_leave_nothing_to_judge(diabetes):
    predicted = diabetes.model.predict(diabetes.rows)
    predicted[:3] = np.inf
    diabetes.deliver(diabetes.log(diabetes.rows, prediction=predicted), diabetes.rows["target"])

    _, outcome, _ = diabetes.look(labels=LABELS, checks={"performance": ["mae <= 90"]})

    why = f"3 of {len(predicted)} predictions are infinite, which leaves every error undefined"
    assert (outcome.verdict.status, rule(outcome, "mae <= 90").why) == ("vacuous", why)
    assert why in (diabetes.report(outcome) / "report.html").read_text()


def test_rows_of_one_request_are_ranked_together():
    signature = Signature(task="ranking", features=(), target="grade", target_type="integer", query="q")
    random = np.random.default_rng(1)
    rows = pd.DataFrame({"request_id": np.repeat([f"r{i}" for i in range(50)], 6), "probability": None})
    rows["truth"], rows["prediction"] = random.integers(0, 4, 300), random.normal(size=300)

    found = answers_of(signature, rows).measure(["ndcg"], {})

    each = [
        metrics.ndcg_score([part["truth"]], [part["prediction"]])
        for _, part in rows.groupby("request_id")
        if part["truth"].max() > 0
    ]
    assert found["ndcg"] == pytest.approx(np.mean(each))


def test_several_labels_are_measured_from_lists():
    signature = Signature(task="multilabel", features=(), target="a, b", target_type="integer", labels=("a", "b"))
    random = np.random.default_rng(2)
    truth, predicted = random.integers(0, 2, (200, 2)), random.integers(0, 2, (200, 2))
    rows = pd.DataFrame({"truth": list(truth), "prediction": list(predicted), "probability": None})

    found = answers_of(signature, rows).measure(["f1_micro"], {})

    assert found["f1_micro"] == pytest.approx(metrics.f1_score(truth, predicted, average="micro"))
    assert "f1_micro" in measured_by_log(signature)


def test_a_gate_on_a_part_that_is_not_looked_at_is_a_mistake():
    signature = Signature(task="regression", features=(), target="y", target_type="float")
    spec = MonitorSpec(checks={"performance": ["worst_segment.mae <= 1"]})

    with pytest.raises(ExpressionError, match=r"does not measure 'worst_segment\.mae'"):
        require_known(spec, signature)
    require_known(MonitorSpec(segments=["region"], checks=spec.checks), signature)


def test_numbers_have_no_estimate(diabetes):
    diabetes.log(diabetes.rows)

    _, outcome, _ = diabetes.look(checks={"performance": ["estimated_mae <= 10"]})

    assert outcome.verdict.status == "vacuous"
    why = "performance of a regression cannot be estimated: it gives no probabilities"
    assert rule(outcome, "estimated_mae <= 10").why == why
