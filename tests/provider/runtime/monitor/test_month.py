"""A month of simulated hours on real weather: what the monitor decides, hour by hour, and nothing else.

Every hour a real model answers weather of New York as requests, the server's own log keeps the answers, and at the full
hour the real phases look: window, check, decide. What was true arrives the night after, and a retraining is a run of
real phases. Only people and the clock are played.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec import EvaluateSpec, IngestSpec, SplitSpec, TrainSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.exceptions import CheckpointBlockedError
from mlops_provider.runtime.monitor.deciding import silences
from mlops_provider.runtime.monitor.deciding.decisions import read_decisions
from mlops_provider.runtime.monitor.deciding.silences import Silence
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.records import run_records
from mlops_provider.serving.model import load_served
from mlops_provider.serving.payload import Rows
from mlops_provider.serving.prediction_log import Entry, PredictionLog
from mlops_provider.store.services import Change, ServedVersion, set_version

START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
FEATURES = ["origin", "temp", "dewp", "humid", "wind_speed", "pressure"]
SPEC = MonitorSpec(
    window={"size": "1h"},
    labels={"source": "labels", "column": "clear", "delay": "24h"},
    checks={"data_drift": {}, "performance": ["accuracy >= 0.8"], "estimate": False},
    on_breach=["notify", "retrain"],
    policy={
        "cooldown": "24h",
        "per_week": 3,
        "hysteresis": 0.05,
        "quiet": {"cron": "0 17 * * *", "for": "14h", "timezone": "Europe/Berlin", "reason": "night"},
    },
)
QUICK = {"slices": "none", "evidently": False, "metrics": ["accuracy"]}
ASKED = range(8, 16)
"""Hours in which there are requests."""
DELIVERED = 5
"""Hour in which the labels of the day before arrive."""


def at(day, hour=0):
    """Give an hour of the month; the first day is day 0."""
    return START + timedelta(days=day, hours=hour)


class Month:
    """A service, its weather, and the monitor that looks at it once an hour."""

    def __init__(self, bench, seasons):
        self.bench, self.store, self.seasons = bench, bench.store, seasons
        self.random = np.random.default_rng(7)
        self.weather, self.smoke, self.now = "winter", 0.0, START
        self.seen = []
        for name, rows in seasons.items():
            rows.to_csv(bench.root / f"{name}.csv", index=False)
        self.release(self.train("winter", run_id="first")[0])

    def train(self, season, seed=0, **run):
        """Ingest, split and train; give the model and the rows to judge it on."""
        rows = self.bench.run(IngestSpec(source=f"{season}.csv"), phase="rows", **run).outputs["data"]
        spec = SplitSpec(data="rows", test=0.5, seed=seed)
        parts = self.bench.run(spec, {"data": rows}, phase="parts", **run).outputs
        spec = TrainSpec(data="parts.train", target="clear", estimator="sklearn.linear_model.LogisticRegression")
        model = self.bench.run(spec, {"data": parts["train"]}, phase="model", **run).outputs["model"]
        return model, parts["test"]

    def retrain(self, decision, run_id, season, **more):
        """Run the workflow again as the decision asks, to the checkpoint; give the model and the verdict."""
        run = {"run_id": run_id, "reason": {"kind": "asset", "payload": decision["reason"]}, "at": self.now.isoformat()}
        model, test = self.train(season, **more, **run)
        spec = EvaluateSpec(model="model", data="parts.test", gates=["accuracy > champion.accuracy"], **QUICK)
        with suppress(CheckpointBlockedError):
            self.bench.run(spec, {"model": model, "data": test}, phase="quality", **run)
        [record] = [one for one in run_records(self.store, "flow", run_id) if one["phase"] == "quality"]
        return model, {rule["rule"]: rule["result"] for rule in record["verdict"]["rules"]}

    def release(self, model):
        """Register a model and make it live."""
        version = self.bench.version(model)
        context = self.bench.context("live", "release", run_id=f"release-{version.version}", at=self.now.isoformat())
        promotion = Promotion.of(context, version)
        promotion.reserve(HOUR)
        served = ServedVersion(version=version.version, model=version)
        change = Change(id=context.identity, action="release", by="ana", at=self.now.isoformat())
        state = set_version(self.store, "flow", "production", served, change)
        promotion.complete({"service": state.name, "revision": state.revision})
        self.served = load_served(self.store, served)

    def ask(self):
        """Send the requests of an hour, and note what will turn out to be true."""
        rows = self.seasons[self.weather]
        rows = rows.iloc[self.random.integers(0, len(rows), 120)]
        answer = self.served.predict(Rows(FEATURES, rows[FEATURES].to_numpy(dtype=object).tolist()))
        request_id = f"{self.now:%d-%H}"
        log = PredictionLog(self.store)
        moment = (self.now + HOUR / 2).timestamp()
        log.append(Entry(self.served, "flow", "production", request_id, moment, 1.5, answer))
        log.close()
        hidden = self.random.random(len(rows)) < self.smoke
        truth = np.where(hidden, 1 - rows["clear"], rows["clear"])
        self.seen.append(pd.DataFrame({"request_id": request_id, "row": np.arange(len(rows)), "clear": truth}))

    def deliver(self):
        """Let the labels of the day before arrive."""
        folder = self.bench.root / "labels"
        folder.mkdir(exist_ok=True)
        if self.seen:
            pd.concat(self.seen).to_parquet(folder / f"{self.now:%Y-%m-%d}.parquet", index=False)
            self.seen = []

    def phase(self, name, inputs):
        run = {"run_id": f"monitor__{self.now:%d-%H}", "at": self.now.isoformat()}
        named = {field: [ref] for field, ref in inputs.items()}
        return run_phase(SPEC, named, self.bench.context(name, f"monitor.{name}", **run)).outcome

    def check(self):
        """Let an hour pass and look at it; give the decision."""
        if self.now.hour in ASKED:
            self.ask()
        if self.now.hour == DELIVERED:
            self.deliver()
        self.now += HOUR
        found = self.phase("window", {}).outputs
        report = self.phase("check", found).outputs["report"]
        given = {name: ref for name, ref in found.items() if name != "profile"}
        return self.phase("decide", {**given, "report": report}).details

    def until(self, day, hour=0):
        """Go on to an hour; give the decisions on the way."""
        made = []
        while self.now < at(day, hour):
            made.append(self.check())
        return made


@pytest.fixture(scope="module")
def seasons(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA").dropna(subset=[*FEATURES, "visib"])
    frame["clear"] = (frame["visib"] >= 10).astype(int)
    months = {"winter": 1, "summer": 7}
    return {name: frame.loc[frame["month"] == month, [*FEATURES, "clear"]] for name, month in months.items()}


def lived_through(month):
    """Let a month pass: a blip, a drift, smoke, a migration, a night, and what people and runs do meanwhile."""
    verdicts = {}
    month.until(3, 10)
    month.weather = "summer"  # one odd hour
    month.check()
    month.weather = "winter"
    month.until(5, 9)

    month.weather = "summer"  # and now it stays: a retraining that is no better, and a second one that is
    first = month.until(5, 11)[-1]
    _, verdicts["first"] = month.retrain(first, "asset__1", "winter")
    second = month.until(6, 11)[-1]
    model, verdicts["second"] = month.retrain(second, "asset__2", "summer")
    month.until(6, 13)
    month.release(model)
    month.until(10, 8)

    month.smoke = 0.3  # for two days no sensor sees why it is not clear; the labels tell, a day late
    third = month.until(11, 10)[-1]
    _, verdicts["third"] = month.retrain(third, "asset__3", "summer", seed=1)
    month.until(12, 5)
    month.smoke = 0.0
    fourth = month.until(12, 12)[-1]
    _, verdicts["fourth"] = month.retrain(fourth, "asset__4", "summer", seed=2)

    month.until(16, 9)
    about = {"id": "s-1", "kind": "silence", "by": "ana", "reason": "migration", "check": "data_drift"}
    silences.put(month.store, "flow", "production", Silence(at=month.now, until=at(16, 15), **about))
    month.weather = "winter"
    month.until(16, 14)
    month.weather = "summer"
    month.until(20, 14)

    month.weather = "winter"  # late in the afternoon, in Berlin
    fifth = month.until(20, 16)[-1]
    model, verdicts["fifth"] = month.retrain(fifth, "asset__5", "winter", seed=3)
    month.until(21, 9)
    alarm = read_decisions(month.store, "flow", "production", last=1)[0]["state"]["alarm"]["opened"]["id"]
    about = {"id": "s-2", "kind": "ack", "by": "bob", "reason": "I wait for the approval", "alarm": alarm}
    silences.put(month.store, "flow", "production", Silence(at=month.now, until=at(23), **about))
    month.until(22, 10)
    month.release(model)
    month.until(30)
    return verdicts


@pytest.mark.timeout(900)
def test_a_month_of_hours_leads_to_exactly_these_decisions(bench, seasons):
    month = Month(bench, seasons)

    verdicts = lived_through(month)

    decisions = read_decisions(month.store, "flow", "production")
    acted = [(one["at"][5:13], one["version"], one["actions"]) for one in decisions if one["actions"]]
    both = ["notify", "retrain"]
    assert acted == [
        ("03-08T11", "1", both),
        ("03-09T10", "1", ["notify"]),  # the labels say so, too: that is news
        ("03-09T11", "1", both),
        ("03-14T10", "2", both),
        ("03-15T10", "2", ["notify"]),
        ("03-15T11", "2", both),
        ("03-23T16", "2", ["retrain"]),
        ("03-24T09", "2", ["notify"]),
    ]
    assert len(decisions) == 720
    assert Counter(one["decided_by"]["rule"] for one in decisions) == {
        "holds": 190,
        "not_judged": 480,
        "silenced": 5,
        "waiting": 7,  # an odd hour, its labels, the begin of three drifts; two are chance: 1 in 100 checks may be
        "breaches": 3,
        "standing": 34,
        "cleared": 1,
    }
    held = {one["at"][5:13]: {each["action"]: each["rule"] for each in one["held"]} for one in decisions}
    assert held["03-06T11"] == {"notify": "waiting", "retrain": "waiting"}  # the odd hour
    assert held["03-07T11"] == {"notify": "waiting", "retrain": "waiting"}  # and its labels
    assert held["03-08T12"] == {"notify": "remind", "retrain": "cooldown"}
    assert held["03-09T12"] == {"notify": "remind", "retrain": "pending"}
    assert held["03-15T10"] == {"retrain": "per_week"}
    assert held["03-23T16"] == {"notify": "quiet"}
    assert held["03-25T09"] == {"notify": "acknowledged", "retrain": "pending"}
    better, there = "accuracy > champion.accuracy", "drifted_window"
    assert verdicts == {
        "first": {better: "failed", there: "not_applicable"},  # the labels of what drifted have not come yet
        "second": {better: "passed", there: "passed"},
        "third": {better: "failed", there: "failed"},
        "fourth": {better: "failed", there: "failed"},
        "fifth": {better: "passed", there: "not_applicable"},
    }
