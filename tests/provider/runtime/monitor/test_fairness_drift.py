"""Drift of fairness and of importances: fairlearn's and scikit-learn's numbers, now and when the model was made."""

from __future__ import annotations

import json

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance

from mlops_dag_factory.spec import EvaluateSpec
from mlops_provider.runtime.monitor.performance.importance_drift import REPEATS

LABELS = {"source": "labels", "column": "target"}


def rule(outcome, name):
    [found] = [rule for rule in outcome.verdict.rules if rule.rule == name]
    return found


def content(service, outcome):
    return json.loads((service.report(outcome) / "report.json").read_text())["performance"]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Loans depend on income and debt; sex has nothing to do with them, at first."""
    random = np.random.default_rng(5)
    frame = pd.DataFrame({
        "income": random.normal(size=3000),
        "debt": random.normal(size=3000),
        "age": random.normal(size=3000),
        "sex": random.choice(["f", "m"], 3000),
    })  # fmt: skip
    paid = 2 * frame["income"] - frame["debt"] + random.normal(size=3000) > 0
    frame["target"] = paid.map({True: "paid", False: "late"})
    file = tmp_path_factory.mktemp("loans") / "loans.csv"
    frame.to_csv(file, index=False)
    return file


@pytest.fixture
def loans(trained, history):
    service = trained(history, "sklearn.tree.DecisionTreeClassifier", parameters={"max_depth": 5}, seed=1)
    spec = EvaluateSpec(model="m", data="d", slices="none")
    service.bench.run(spec, {"model": service.ref, "data": service.test}, phase="quality")
    return service


def test_groups_are_compared_as_fairlearn_does_now_and_before(loans):
    poorer = loans.rows["income"] - 1.5 * (loans.rows["sex"] == "f")
    window = loans.rows.assign(income=poorer)
    loans.deliver(loans.log(window), window["target"])
    name = "fairness.sex.demographic_parity_difference"
    gates = [f"{name} <= 0.1", f"{name}.change <= 0.1", f"{name}.baseline <= 0.1", f"{name}.low <= 0.9"]
    checks = {"performance": gates, "fairness": {"sensitive": "sex", "favorable": "paid"}}

    _, outcome, _ = loans.look(labels=LABELS, checks=checks)

    def gap(rows):
        answers = (loans.model.predict(rows) == "paid").astype(int)
        truth = (rows["target"] == "paid").astype(int)
        return fairlearn.metrics.demographic_parity_difference(truth, answers, sensitive_features=rows["sex"])

    now, before = gap(window), gap(loans.rows)
    assert [rule(outcome, gate).result for gate in gates] == ["failed", "failed", "passed", "passed"]
    assert rule(outcome, gates[0]).value == pytest.approx(now)
    assert rule(outcome, gates[1]).value == pytest.approx(now - before)
    assert rule(outcome, gates[2]).value == pytest.approx(before)
    assert "95 % interval" in rule(outcome, gates[0]).why
    for gate in gates[:2]:
        assert "; selection rate " in rule(outcome, gate).why
        assert "of 'm'" in rule(outcome, gate).why
    [found] = content(loans, outcome)["fairness"]
    assert found["what"] == f"{len(loans.rows):,} rows that the model was evaluated on"
    assert "selection rate" in (loans.report(outcome) / "report.html").read_text()


def test_what_cannot_be_compared_is_said_and_is_no_alarm(loans):
    window = loans.rows.assign(sex="f")
    loans.deliver(loans.log(window), window["target"])
    gates = ["fairness.sex.accuracy_difference <= 0", "fairness.town.accuracy_difference <= 0"]
    checks = {"performance": gates, "fairness": {"sensitive": ["sex", "town"]}}

    _, outcome, _ = loans.look(labels=LABELS, checks=checks)

    assert outcome.verdict.status == "vacuous"
    assert rule(outcome, gates[0]).why == "accuracy_difference of 'sex': 'sex' has one group only, 'f'"
    assert rule(outcome, gates[1]).why == "'town' is not in the prediction log, which has features only"


def test_a_model_that_lives_on_other_columns_than_before_is_noticed(loans):
    checks = {"importance": {"correlation": 0.8, "severity": "fail"}, "performance": ["importance_correlation >= 0.8"]}
    loans.deliver(loans.log(loans.rows, minutes_ago=10), loans.rows["target"])
    _, same, _ = loans.look(labels=LABELS, checks=checks)
    assert same.metrics["importance_correlation"] == pytest.approx(1)
    assert rule(same, "importance").result == "passed"

    window = loans.rows.assign(income=0.01 * loans.rows["income"] - 0.2, debt=3 * loans.rows["debt"])
    answer = pd.Series(loans.model.predict(window)).where(np.arange(len(window)) % 9 > 0, "late")
    loans.deliver(loans.log(window), answer, name="later.csv")
    _, moved, _ = loans.look(labels=LABELS, checks=checks, window={"rows": len(window)})

    assert rule(moved, "importance").result == "failed"
    found = content(loans, moved)["importance"]
    assert {one["column"] for one in found["columns"][:2]} == {"income", "debt"}
    names = loans.model.signature.names()
    expected = permutation_importance(
        loans.model.pipeline, window[names], answer, scoring="accuracy", n_repeats=REPEATS, random_state=0
    )
    means = np.where(expected.importances_mean > expected.importances_std, expected.importances_mean, 0)
    shares = {one["column"]: one["now"] for one in found["columns"]}
    assert [shares[name] for name in names] == pytest.approx(list(means / means.sum()))
    assert "most moved: " in rule(moved, "importance").why


def test_rows_that_lack_a_feature_warn_and_lose_no_other_check(loans):
    table = loans.table(loans.rows).drop(columns="x_debt")
    loans.deliver(loans.write(table), loans.rows["target"])

    _, outcome, _ = loans.look(labels=LABELS, checks={"importance": {}, "performance": ["accuracy >= 0.5"]})

    assert rule(outcome, "accuracy >= 0.5").result == "passed"
    assert rule(outcome, "importance_correlation").result == "warned"
    assert "has no column 'debt'" in rule(outcome, "importance_correlation").why


def test_without_labels_nothing_is_said_of_importances(loans):
    loans.log(loans.rows)

    _, outcome, _ = loans.look(labels=LABELS, checks={"importance": {"severity": "fail"}})

    assert outcome.verdict.status == "vacuous"
    assert rule(outcome, "importance").why == "0 labels have arrived, 100 are needed"
