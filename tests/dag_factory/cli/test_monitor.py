"""`mlops monitor`: the decisions, why they were made, silences and acknowledgements."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.refs import ReportRef
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.monitor.decide import run
from mlops_provider.store.chain import Chain
from mlops_provider.store.store import Store, json_bytes
from mlops_provider.verdicts import RuleResult, Verdict

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
SPEC = MonitorSpec(checks={"data_drift": {}}, on_breach=["notify", "retrain"], policy={"remind": "0s"})


class Monitor:
    """A store in which checks are decided about, hour by hour, and the command line over it."""

    def __init__(self, folder):
        self.store = Store(folder / "store")
        self.hour = 0

    def check(self, share, *, limit=0.3):
        """Decide about a check that found a share of drifted features."""
        result = "failed" if share >= limit else "passed"
        rule = RuleResult(rule="data_drift", result=result, why=f"share {share}", value=share, threshold=limit)
        content = {"verdict": Verdict.of([rule]).to_dict(), "vacuous": "", "metrics": {"drift_share": share}}
        with self.store.scratch() as folder:
            (folder / "report.json").write_bytes(json_bytes({**content, "hour": self.hour}))
            found = self.store.publish("flow", "reports", folder, {})
        at = (START + timedelta(hours=self.hour)).isoformat()
        context = RunContext(
            workflow="flow", run_id=f"monitor__{self.hour}", phase="decide", store_url=self.store.url, at=at
        )
        self.hour += 1
        return run(SPEC, {"report": [ReportRef(uri=found.uri, digest=found.digest)]}, context).details

    def call(self, *arguments, code=0):
        done = CliRunner().invoke(mlops, ["monitor", *arguments, "--store", self.store.url])
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def monitor(tmp_path):
    return Monitor(tmp_path)


def test_it_says_why_it_acted_and_why_it_did_not_and_what_would_make_it_act(monitor):
    for share in (0.1, 0.5, 0.5, 0.5):
        monitor.check(share)

    quiet = monitor.call("explain", "flow", "--at", START.isoformat())
    assert "decided by: holds" in quiet
    assert "would make it act: 2 of 3 checks that break a rule: notify, retrain" in quiet
    assert "limit: data_drift at 0.1, limit 0.3 (passed)" in quiet

    waiting = monitor.call("explain", "flow", "--at", (START + timedelta(minutes=90)).isoformat())
    assert "decided by: waiting (breaches 1, needed 2, of 3)" in waiting
    assert "would make it act: 1 more breach in the next check: notify, retrain" in waiting

    told = json.loads(monitor.call("explain", "flow", "--json"))
    assert (told["decided_by"]["rule"], told["actions"]) == ("standing", ["notify"])
    retrain = next(one for one in told["held"] if one["action"] == "retrain")
    assert retrain["rule"] == "pending"
    assert retrain["until"] == (START + timedelta(hours=2, days=3)).isoformat()
    assert [sentence.split(":")[0] for sentence in told["would_act"]] == ["retrain"]


def test_the_history_names_the_rule_of_each_decision(monitor):
    for share in (0.1, 0.5, 0.5):
        monitor.check(share)

    listed = json.loads(monitor.call("history", "flow", "--json"))
    assert [one["decided_by"]["rule"] for one in listed] == ["holds", "waiting", "breaches"]
    assert len(json.loads(monitor.call("history", "flow", "--acted", "--json"))) == 1
    since = (START + timedelta(hours=1)).isoformat()
    assert len(json.loads(monitor.call("history", "flow", "--since", since, "--json"))) == 2
    assert "breaches" in monitor.call("history", "flow/production", "--last", "1")


def test_a_silence_holds_until_it_ends_and_is_on_the_audit_chain(monitor):
    monitor.check(0.1)

    said = monitor.call(
        "silence", "flow", "--check", "data_drift", "--for", "3d", "--reason", "migration", "--by", "ana"
    )
    assert "check 'data_drift' is silenced until" in said
    assert monitor.check(0.5)["decided_by"]["rule"] == "silenced"
    standing = json.loads(monitor.call("explain", "flow", "--json"))["standing"]
    monitor.call("silence", "flow", "--end", standing[0]["id"], "--reason", "done", "--by", "bob")
    assert [monitor.check(0.5)["actions"] for _ in range(2)] == [[], ["notify", "retrain"]]

    entries = list(Chain(monitor.store, "flow").entries("monitor/production"))
    assert [(one.kind, one.by, one.reason) for one in entries] == [
        ("silenced", "ana", "migration"),
        ("silence_ended", "bob", "done"),
    ]


def test_a_silence_that_ended_counts_no_more(monitor):
    monitor.check(0.1)
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    monitor.call("silence", "flow", "--until", until, "--reason", "migration")

    monitor.hour = 8  # two hours from now

    assert [monitor.check(0.5)["decided_by"]["rule"] for _ in range(2)] == ["waiting", "breaches"]


def test_an_acknowledged_alarm_is_not_told_again_and_only_an_alarm_is_acknowledged(monitor):
    monitor.check(0.1)
    said = monitor.call("ack", "flow", "--for", "4h", "--reason", "x", code=2)
    assert "no alarm of flow/production stands" in said
    assert [monitor.check(0.5)["actions"] for _ in range(3)] == [[], ["notify", "retrain"], ["notify"]]

    monitor.call("ack", "flow", "--for", "4h", "--reason", "I look at it", "--by", "ana")

    acked = monitor.check(0.5)
    assert acked["actions"] == []
    assert "no notice: acknowledged by ana until" in acked["why"]
    assert "notify: another rule that breaks, or from" in monitor.call("explain", "flow")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["silence", "flow", "--for", "4h"], 2, "Missing option '--reason'"),
        (["silence", "flow", "--reason", "x"], 2, "say when it ends"),
        (["silence", "flow", "--reason", " ", "--for", "4h"], 1, "a silence needs a reason"),
        (["silence", "flow", "--reason", "x", "--for", "200d"], 1, "a silence lasts 90 days at most"),
        (["silence", "flow", "--reason", "x", "--until", "2020-01-01"], 1, "would have ended at 2020-01-01"),
        (["silence", "flow", "--reason", "x", "--for", "4h", "--check", "dirft"], 2, "it judged: data_drift"),
        (["silence", "flow", "--reason", "x", "--end", "s-1"], 1, "no silence 's-1' stands"),
        (["silence", "flow", "--reason", "x", "--for", "soon"], 2, "is not a duration"),
        (["explain", "flow", "--at", "2020-01-01"], 2, "nothing was decided about flow/production until 2020-01-01"),
        (["explain", "flow", "--at", "noon"], 2, "is not a time"),
        (["explain", "other"], 2, "'other/production' has no decisions"),
    ],
)
def test_what_is_wrong_is_said(monitor, arguments, code, message):
    monitor.check(0.1)

    assert message in monitor.call(*arguments, code=code)
