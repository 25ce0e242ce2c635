"""The decision on record: made once per monitor run, with its reason, whoever else decides meanwhile."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.refs import ReportRef
from mlops_provider.runtime.monitor.decide import read_decisions
from mlops_provider.runtime.phase import run_phase
from mlops_provider.store.store import json_bytes
from mlops_provider.verdicts import RuleResult, Verdict

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


MONITOR = """
import sys
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.refs import ReportRef
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.monitor.decide import run

store, name, uri, digest = sys.argv[1:]
spec = MonitorSpec(checks={"performance": ["accuracy >= 0.9"]}, on_breach=["notify", "retrain"])
for number in range(12):
    context = RunContext(
        workflow="flow", run_id=f"monitor__{name}-{number}", phase="decide", store_url=store,
        at=f"2026-03-02T{number:02d}:00:00+00:00",
    )
    run(spec, {"report": [ReportRef(uri=uri, digest=digest)]}, context)
    print(number, flush=True)
"""


@pytest.fixture
def broken_report(bench):
    """Publish the report of a check that broke a gate."""
    rule = RuleResult(rule="accuracy >= 0.9", result="failed", why="wrong", value=0.5, threshold=0.9)
    with bench.store.scratch() as folder:
        content = {"verdict": Verdict.of([rule]).to_dict(), "vacuous": "", "metrics": {"accuracy": 0.5}}
        (folder / "report.json").write_bytes(json_bytes(content))
        return bench.store.publish("flow", "reports", folder, {})


def start(bench, name, report):
    arguments = [sys.executable, "-c", MONITOR, bench.store.url, name, report.uri, report.digest]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_three_monitors_on_one_store_ask_for_one_retraining_and_no_decision_is_lost(bench, broken_report):
    monitors = [start(bench, name, broken_report) for name in ("a", "b", "c")]
    ended = [monitor.wait(120) for monitor in monitors]

    assert ended == [0, 0, 0]
    decisions = read_decisions(bench.store, "flow", "production")
    assert len({one["id"] for one in decisions}) == len(decisions) == 36
    assert sum("retrain" in one["actions"] for one in decisions) == 1
    assert sum("notify" in one["actions"] for one in decisions) == 1
    assert [one["decided_by"]["rule"] for one in decisions[:3]] == ["waiting", "breaches", "standing"]


def test_a_monitor_that_is_killed_goes_on_where_it_was_and_doubles_nothing(bench, broken_report):
    killed = start(bench, "a", broken_report)
    for _ in range(3):
        killed.stdout.readline()
    killed.kill()
    killed.wait(30)
    before = read_decisions(bench.store, "flow", "production")

    assert start(bench, "a", broken_report).wait(120) == 0

    decisions = read_decisions(bench.store, "flow", "production")
    assert decisions[: len(before)] == before
    assert [one["id"] for one in decisions] == [f"flow/monitor__a-{number}/decide" for number in range(12)]
    assert sum("retrain" in one["actions"] for one in decisions) == 1


def test_a_backfill_of_a_month_ago_is_on_record_and_wakes_nobody(bench, broken_report):
    spec = MonitorSpec(checks=GATE, on_breach=["notify", "retrain"], policy=AT_ONCE)
    inputs = {"report": [ReportRef(uri=broken_report.uri, digest=broken_report.digest)]}

    def decide(**about):
        context = bench.context("decide", "monitor.decide", run_id=f"monitor__{about['at']}", **about)
        return run_phase(spec, inputs, context).outcome.details

    live = decide(at="2026-03-02T00:00:00+00:00")
    past = decide(at="2026-01-01T00:00:00+00:00", reason={"kind": "backfill"})

    assert live["actions"] == ["notify", "retrain"]
    assert (past["breach"], past["actions"], past["at"][:10]) == (True, [], "2026-01-01")
    assert past["decided_by"] == {"rule": "backfill"}
    assert past["state"] == live["state"]
