"""A month of simulated hours on real weather: what the monitor decides, hour by hour, and nothing else.

Every hour a window is drawn from the profile of the weather that there is, scored, weighed and judged by the product's
own code, and the real phase decides, with the store, the audit chain and the runs of the retrainings around it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.refs import DatasetRef, ModelRef, ReportRef
from mlops_provider.runtime.columns.sampling import resample
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.comparison import Wanted, compare_columns
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.monitor import decide
from mlops_provider.runtime.monitor.deciding import silences
from mlops_provider.runtime.monitor.deciding.decisions import read_decisions
from mlops_provider.runtime.monitor.deciding.silences import Silence
from mlops_provider.runtime.monitor.drift.chances import Chances, chances_of
from mlops_provider.runtime.monitor.drift.verdict import judge_features
from mlops_provider.runtime.monitor.findings import Findings
from mlops_provider.runtime.records import note
from mlops_provider.store.services import Change, ServedVersion, set_version
from mlops_provider.store.store import Store, json_bytes
from mlops_provider.verdicts import RuleResult, judge_gate

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = {"temp": "number", "dewp": "number", "humid": "number", "wind_speed": "number", "origin": "category"}
SPEC = MonitorSpec(
    checks={"data_drift": {}, "performance": ["accuracy >= 0.9"]},
    on_breach=["notify", "retrain"],
    policy={
        "cooldown": "24h",
        "per_week": 3,
        "quiet": {"cron": "0 22 * * *", "for": "8h", "timezone": "Europe/Berlin", "reason": "night"},
    },
)
NIGHT = range(1, 4)
"""Hours in which there are hardly any requests."""
LATE = 24
"""Hours after which the labels of an hour arrive."""


def at(day, hour=0):
    """Give an hour of the month; the first day is day 0."""
    return START + timedelta(days=day, hours=hour)


class Month:
    """A service, its weather, and the monitor that looks at it once an hour."""

    def __init__(self, folder, weather):
        self.store = Store(folder)
        self.random = np.random.default_rng(7)
        self.seasons = weather
        self.baseline = weather["winter"]
        self.weather = "winter"
        self.version = ""
        self.accuracy = []
        self.wrong = False
        self.now = START
        self.chances = Chances(self.store, "flow")
        self.release("1", "winter")

    def release(self, version, trained_on):
        """Make a version live that was trained on the weather of a season."""
        model = ModelRef(uri=f"{self.store.url}/models/{version}", digest=version * 8, name="flow", version=version)
        change = Change(id=f"release-{version}", action="release", by="ana", at=self.now.isoformat())
        set_version(self.store, "flow", "production", ServedVersion(version=version, model=model), change)
        self.version, self.baseline, self.wrong, self.accuracy = version, self.seasons[trained_on], False, []
        with self.store.scratch() as scratch:
            (scratch / "version").write_text(version)
            made = self.store.publish("flow", "datasets", scratch, {"lineage": {"version": version}})
        self.window = DatasetRef(uri=made.uri, digest=made.digest, rows=200)

    def retraining(self, decision, run_id, status, phase="quality"):
        """Leave the record of how far the run that a decision led to has come."""
        reason = {"kind": "asset", "payload": decision["reason"]}
        context = RunContext(workflow="flow", run_id=run_id, phase=phase, store_url=self.store.url, reason=reason)
        note(context, started=self.now.isoformat(), summary=phase, status=status)

    def check(self):
        """Look at the hour; give the decision."""
        found = Findings()
        self.accuracy.append(0.8 if self.wrong else 0.94)
        if self.now.hour in NIGHT:
            found.vacuous = "20 predictions are fewer than policy.minimum_rows (100)"
        else:
            self._judge(found)
        with self.store.scratch() as scratch:
            verdict = {"verdict": found.verdict.to_dict(), "vacuous": found.vacuous, "metrics": found.metrics}
            (scratch / "report.json").write_bytes(json_bytes({**verdict, "at": self.now.isoformat()}))
            report = self.store.publish("flow", "reports", scratch, {})
        inputs = {"report": [ReportRef(uri=report.uri, digest=report.digest)], "window": [self.window]}
        context = RunContext(
            workflow="flow",
            run_id=f"monitor__{self.now:%d-%H}",
            phase="decide",
            store_url=self.store.url,
            at=self.now.isoformat(),
        )
        made = decide.run(SPEC, inputs, context).details
        self.now += HOUR
        return made

    def _judge(self, found):
        window = {name: resample(profile, 200, self.random) for name, profile in self.seasons[self.weather].items()}
        drift = SPEC.checks.data_drift
        compared = compare_columns(self.baseline, window, KINDS, default=Wanted(drift.method, drift.threshold))
        found.scores, found.methods, found.thresholds = compared.scores, compared.methods, compared.thresholds
        found.chances = chances_of(compared, self.baseline, window, self.chances)
        judge_features(drift, compared.total, found)
        [gate] = SPEC.checks.performance
        if len(self.accuracy) <= LATE:
            why = "0 labels have arrived, 100 are needed"
            found.rules.append(RuleResult(rule=gate, result="not_applicable", why=why))
        else:
            metrics = {"accuracy": self.accuracy[-1 - LATE]}
            found.rules.append(judge_gate(gate, metrics, champion=None))

    def until(self, day, hour=0):
        """Go on to an hour; give the decisions on the way."""
        made = []
        while self.now < at(day, hour):
            made.append(self.check())
        return made


@pytest.fixture(scope="module")
def seasons(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    found, centres = {}, None
    with duckdb.connect() as connection:
        for name, month in (("winter", 1), ("summer", 7)):
            rows = frame[frame["month"] == month][list(KINDS)]
            connection.register("rows", rows)
            found[name] = profile_columns(connection, "rows", KINDS, centres)
            centres = {column: profile.centre for column, profile in found["winter"].items()}
    return found


def lived_through(month):
    """Let a month pass: a blip, a drift, late labels, a migration, a night, and what people and runs do meanwhile."""
    month.until(3, 10)
    month.weather = "summer"  # one odd hour
    month.check()
    month.weather = "winter"
    month.until(5, 14)

    month.weather = "summer"  # and now it stays: a retraining that is no better, and a second one that is
    first = month.until(5, 16)[-1]
    month.retraining(first, "asset__1", "succeeded", phase="rows")
    month.until(5, 18)
    month.retraining(first, "asset__1", "blocked")
    second = month.until(6, 16)[-1]
    month.retraining(second, "asset__2", "succeeded", phase="rows")
    month.until(6, 20)
    month.release("2", "summer")
    month.until(10, 8)

    month.wrong = True  # the columns stay as they are, the answers are wrong; labels come a day late
    third = month.until(11, 10)[-1]
    month.until(11, 12)
    month.retraining(third, "asset__3", "rejected", phase="approval")
    month.until(12, 22)
    month.release("3", "summer")

    month.until(16, 9)
    about = {"id": "s-1", "kind": "silence", "by": "ana", "reason": "migration", "check": "data_drift"}
    silences.put(month.store, "flow", "production", Silence(at=month.now, until=at(16, 15), **about))
    month.weather = "winter"
    month.until(16, 14)
    month.weather = "summer"
    month.until(20, 21)

    month.weather = "winter"  # late in the evening, in Berlin
    fourth = month.until(20, 23)[-1]
    month.retraining(fourth, "asset__4", "succeeded", phase="rows")
    month.until(21, 6)
    alarm = read_decisions(month.store, "flow", "production", last=1)[0]["state"]["alarm"]["opened"]["id"]
    about = {"id": "s-2", "kind": "ack", "by": "bob", "reason": "I wait for the approval", "alarm": alarm}
    silences.put(month.store, "flow", "production", Silence(at=month.now, until=at(23), **about))
    month.until(22, 10)
    month.release("4", "winter")
    month.until(30)


@pytest.mark.timeout(300)
def test_a_month_of_hours_leads_to_exactly_these_decisions(tmp_path, seasons):
    month = Month(tmp_path / "store", seasons)

    lived_through(month)

    decisions = read_decisions(month.store, "flow", "production")
    acted = [(one["at"][5:13], one["actions"]) for one in decisions if one["actions"]]
    both = ["notify", "retrain"]
    assert acted == [
        ("03-07T15", both),
        ("03-08T15", both),
        ("03-13T09", both),
        ("03-14T09", ["notify"]),
        ("03-14T15", both),
        ("03-22T22", ["retrain"]),
        ("03-23T05", ["notify"]),
    ]
    assert len(decisions) == 720
    assert Counter(one["decided_by"]["rule"] for one in decisions) == {
        "holds": 527,
        "not_judged": 90,
        "silenced": 5,
        "waiting": 8,  # one odd hour, the begin of three drifts, and four that are chance: 1 in 100 checks may be
        "breaches": 3,
        "standing": 87,
    }
    held = {one["at"][5:13]: {each["action"]: each["rule"] for each in one["held"]} for one in decisions}
    assert held["03-05T10"] == {"notify": "waiting", "retrain": "waiting"}
    assert held["03-07T16"] == {"notify": "remind", "retrain": "pending"}
    assert held["03-07T19"] == {"notify": "remind", "retrain": "cooldown"}
    assert held["03-14T10"] == {"notify": "remind", "retrain": "per_week"}
    assert held["03-22T23"] == {"notify": "quiet", "retrain": "pending"}
    assert held["03-24T06"] == {"notify": "acknowledged", "retrain": "pending"}
