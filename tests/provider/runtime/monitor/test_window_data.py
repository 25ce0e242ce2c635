"""Any dataset or query can be watched; New York's weather of 2013 month by month."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec import SplitSpec, TrainSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.monitor.about import read_about
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model
from mlops_provider.store.services import Change, ServedVersion, now, set_version

FEATURES = ["origin", "temp", "dewp", "humid", "wind_speed", "pressure", "visib"]
DATA = {"source": "weather.csv", "timestamp": "time_hour", "prediction": "said", "target": "rain"}
MONTHS = [datetime(2013, month, 1, tzinfo=UTC) for month in range(2, 13)] + [datetime(2013, 12, 31, tzinfo=UTC)]


class Weather:
    """The weather as a table beside a store, and a monitor that looks at a time."""

    def __init__(self, bench, frame):
        self.bench = bench
        self.frame = frame
        self.runs = 0

    def write(self, frame, name="weather.csv"):
        frame.to_csv(self.bench.root / name, index=False)

    def go_live(self, frame):
        """Train on some rows and release; give the model."""
        self.write(frame[[*FEATURES, "rain"]], "train.csv")
        data = self.bench.dataset("train.csv")
        parts = self.bench.run(SplitSpec(data="d", test=0.2, seed=1), {"data": data}).outputs
        spec = TrainSpec(data="d", target="rain", estimator="sklearn.ensemble.HistGradientBoostingClassifier")
        ref = self.bench.run(spec, {"data": parts["train"]}).outputs["model"]
        ref = ModelRef(uri=ref.uri, digest=ref.digest, name="flow", version="1")
        change = Change(id="r", action="release", by="ana", at=now())
        set_version(self.bench.store, "flow", "production", ServedVersion(version="1", model=ref), change)
        return load_model(self.bench.store, ref)

    def phase(self, phase, spec, inputs, at, **context):
        context = self.bench.context(
            phase, f"monitor.{phase}", run_id=f"monitor__{self.runs}", at=at.isoformat(), **context
        )
        return run_phase(spec, {name: [ref] for name, ref in inputs.items()}, context).outcome

    def look(self, at, *, connections=None, **fields):
        self.runs += 1
        spec = MonitorSpec(**{"data": DATA, "window": {"size": "28d"}, **fields})
        window = self.phase("window", spec, {}, at, connections=connections or {})
        return window, self.phase("check", spec, window.outputs, at)

    def about(self, outcome):
        return read_about(self.bench.store.open(outcome.outputs["profile"]).folder)


@pytest.fixture(scope="module")
def year(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    return frame.assign(rain=(frame["precip"] > 0).astype(int))[["time_hour", "month", *FEATURES, "rain"]]


@pytest.fixture
def weather(bench, year):
    bench.tracking_uri = ""
    return Weather(bench, year)


def result_of(check):
    [rule] = [rule for rule in check.verdict.rules if rule.rule == "data_drift"]
    return rule.result


def test_a_model_of_january_sees_the_seasons_come_and_go(weather):
    january = weather.frame[weather.frame["month"] == 1]
    model = weather.go_live(january)
    weather.write(weather.frame.assign(said=model.predict(weather.frame[FEATURES])))

    looks = [weather.look(at, checks={"data_drift": {"share": 0.25, "threshold": 0.5}}) for at in MONTHS]

    assert all(window.metrics["rows"] > 1900 for window, _ in looks)
    assert [result_of(check) for _, check in looks] == [
        *["passed"] * 3,  # January to March
        *["failed"] * 7,  # April to October: temp and dewp, in summer pressure too
        *["passed"] * 2,  # November and December are like January again
    ]


def test_a_rolling_baseline_breaks_when_the_weather_turns_and_not_in_summer(weather):
    weather.write(weather.frame[["time_hour", *FEATURES]])
    data = {"source": "weather.csv", "timestamp": "time_hour"}
    checks = {"data_drift": {"share": 0.3, "threshold": 0.5}}

    looks = [
        weather.look(datetime(2013, month, 1, tzinfo=UTC), data=data, checks=checks, baseline={"rolling": "28d"})
        for month in (3, 5, 8, 9, 12)
    ]

    assert [result_of(check) for _, check in looks] == ["passed", "failed", "passed", "passed", "failed"]
    assert weather.about(looks[2][0]).baseline == "the rolling baseline from 2013-06-06 00:00 to 2013-07-04 00:00"


def test_without_a_service_a_dataset_is_compared_with_another(weather):
    months = dict(iter(weather.frame.groupby("month")))
    weather.write(months[1], "january.csv")
    fields = {
        "data": {"source": "july.csv", "timestamp": "time_hour", "target": "rain"},
        "baseline": {"source": "january.csv"},
        "checks": {"data_drift": {"share": 0.3}},
        "segments": ["origin"],
    }
    weather.write(months[7], "july.csv")
    at = datetime(2013, 8, 1, tzinfo=UTC)

    window, check = weather.look(at, **fields)

    assert check.verdict.status == "blocked"
    assert {"temp", "dewp"} <= set(check.verdict.rules[0].values)
    about = weather.about(window)
    assert (about.baseline, about.baseline_rows) == ("january.csv", len(months[1]))
    assert set(about.segments) == {"origin = EWR", "origin = JFK", "origin = LGA"}
    rows = read_frame(weather.bench.store, window.outputs["window"])
    assert rows["truth"].notna().all()
    assert rows["ts"].is_monotonic_increasing


def test_weights_that_need_a_model_are_said_to_be_missing_without_one(weather):
    weather.write(weather.frame[weather.frame["month"] == 1], "january.csv")
    weather.write(weather.frame)
    checks = {"data_drift": {"share": 0.3, "weight_by": "importance"}}
    data = {"source": "weather.csv", "timestamp": "time_hour"}

    _, check = weather.look(
        datetime(2013, 8, 1, tzinfo=UTC), data=data, baseline={"source": "january.csv"}, checks=checks
    )

    assert check.verdict.status == "blocked"
    report = (weather.bench.store.open(check.outputs["report"]).folder / "report.md").read_text()
    page = json.loads((weather.bench.store.open(check.outputs["report"]).folder / "report.json").read_text())
    assert page["weights"]["why_not"] == "flow/production has no live version"
    assert "weather.csv: " in report


def test_performance_is_judged_where_the_outcome_is_a_column(weather):
    at = datetime(2013, 2, 1, tzinfo=UTC)
    january = weather.frame[weather.frame["month"] == 1]
    rain = january["rain"].astype("Int64").where(january.index % 2 == 0)
    weather.write(january.assign(said=0, rain=rain))

    window, check = weather.look(at, baseline={"source": "weather.csv"}, checks={"performance": ["accuracy >= 0.9"]})

    known = january[january.index % 2 == 0]
    known = known[known["time_hour"].between("2013-01-04", "2013-02-01")]
    assert window.metrics["labelled"] == len(known)
    assert check.metrics["accuracy"] == pytest.approx((known["rain"] == 0).mean())


def test_a_query_is_watched_like_a_dataset(weather):
    file = weather.bench.root / "weather.db"
    with sqlite3.connect(file) as database:
        weather.frame[weather.frame["month"].isin([1, 2])].to_sql("weather", database, index=False)
    weather.write(weather.frame[weather.frame["month"] == 1], "january.csv")
    data = {"sql": "SELECT * FROM weather", "conn_id": "db", "timestamp": "time_hour"}

    window, check = weather.look(
        datetime(2013, 3, 1, tzinfo=UTC),
        data=data,
        baseline={"source": "january.csv"},
        checks={"data_drift": {"share": 0.9}},
        connections={"db": f"sqlite:///{file}"},
    )

    assert window.metrics["rows"] == (weather.frame["month"] == 2).sum()
    assert check.verdict.status == "passed"


def test_what_is_wrong_with_the_data_is_an_error_that_names_it(weather):
    at = datetime(2013, 2, 1, tzinfo=UTC)
    checks = {"data_drift": {}}
    weather.write(weather.frame.head(200))

    with pytest.raises(DataError, match="has no column 'said'"):
        weather.look(at, checks=checks)
    with pytest.raises(ConfigError, match="no version is live whose training data could be the baseline"):
        weather.look(at, data={"source": "weather.csv", "timestamp": "time_hour"}, checks=checks)
    with pytest.raises(DataError, match="does not exist"):
        weather.look(at, data={"source": "none.csv", "timestamp": "time_hour"}, checks=checks)


def test_rows_without_a_time_are_in_no_window(weather):
    at = datetime(2013, 1, 4, tzinfo=UTC)
    frame = weather.frame.head(48).copy()
    frame.loc[frame.index[:5], "time_hour"] = np.nan
    frame.loc[frame.index[5:8], "time_hour"] = "soon"
    weather.write(frame)
    data = {"source": "weather.csv", "timestamp": "time_hour"}

    window, check = weather.look(at, data=data, baseline={"rolling": "1d"}, checks={"data_drift": {}})

    assert window.metrics["rows"] == 40
    assert check.verdict.status == "vacuous"
