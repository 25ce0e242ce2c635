"""The decision on record: made once per monitor run, with its reason, whoever else decides meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.runtime.monitor.decide import read_decisions
from mlops_provider.runtime.phase import run_phase

LABELS = {"source": "labels", "column": "target"}
GATE = {"performance": ["accuracy >= 0.9"]}
AT_ONCE = {"consecutive": 1, "remind": "0s"}


@pytest.fixture
def breached(digits):
    """Give a service with a window and a check that found wrong answers."""
    ids = digits.log(digits.rows)
    digits.deliver(ids, (digits.rows["target"] + 1) % 10)
    window, check, spec = digits.look(labels=LABELS, checks=GATE, on_breach=["notify", "retrain"], policy=AT_ONCE)
    return digits, spec, {"window": window.outputs["window"], "report": check.outputs["report"]}


def test_a_decision_is_made_once_per_run_and_kept(breached):
    service, spec, inputs = breached

    first = service.phase("decide", spec, inputs)
    again = service.phase("decide", spec, inputs)
    service.runs += 1
    later = service.phase("decide", spec, inputs)

    assert first.details["actions"] == ["notify", "retrain"]
    assert again.details == first.details
    assert later.details["actions"] == ["notify"]
    assert "no retraining: the one asked for at" in later.details["why"]
    assert [(one["action"], one["rule"]) for one in later.details["held"]] == [("retrain", "pending")]
    decisions = read_decisions(service.bench.store, "flow", "production")
    assert [entry["actions"] for entry in decisions] == [["notify", "retrain"], ["notify"]]


def test_the_reason_says_what_broke_and_where_to_look(breached):
    service, spec, inputs = breached

    details = service.phase("decide", spec, inputs).details

    reason = details["reason"]
    assert "accuracy >= 0.9 does not hold" in reason["why"]
    assert [(rule["rule"], set(rule["values"])) for rule in reason["rules"]] == [("accuracy >= 0.9", {"accuracy"})]
    assert reason["rules"][0]["values"]["accuracy"] == reason["metrics"]["accuracy"] < 0.9
    assert (reason["window"], reason["report"]) == (inputs["window"].uri, inputs["report"].uri)
    assert reason["monitor"] == f"flow/monitor__{service.runs}/decide"


def test_of_many_that_decide_at_once_one_asks_for_retraining(breached):
    service, spec, inputs = breached
    named = {field: [ref] for field, ref in inputs.items()}

    def decide(number):
        context = service.bench.context("decide", "monitor.decide", run_id=f"monitor__{number}")
        return run_phase(spec, named, context).outcome.details["actions"]

    with ThreadPoolExecutor(8) as pool:
        actions = list(pool.map(decide, range(16)))

    assert sum("retrain" in one for one in actions) == 1
    assert all("notify" in one for one in actions)
    assert len(read_decisions(service.bench.store, "flow", "production")) == 16


def test_what_was_not_judged_is_said(digits):
    digits.log(digits.rows)
    spec_fields = {"labels": LABELS, "checks": {**GATE, "service": ["error_rate == 0"]}}
    _, check, spec = digits.look(**spec_fields)
    quiet = digits.phase("decide", spec, {"report": check.outputs["report"]})
    assert quiet.details["why"] == "every check holds; not judged: 0 labels have arrived, 100 are needed"

    _, check, spec = digits.look(labels=LABELS, checks=GATE)
    unsure = digits.phase("decide", spec, {"report": check.outputs["report"]})
    assert (unsure.details["status"], unsure.details["breach"]) == ("vacuous", False)
    assert unsure.details["why"] == "not judged: 0 labels have arrived, 100 are needed"


def test_without_predictions_nothing_is_done(digits):
    _, check, spec = digits.look(checks={"data_drift": {}})

    outcome = digits.phase("decide", spec, {"report": check.outputs["report"]})

    assert isinstance(spec, MonitorSpec)
    why = "there are no predictions to check: version 1 has given no predictions in the window"
    assert (outcome.details["actions"], outcome.details["why"]) == ([], why)
