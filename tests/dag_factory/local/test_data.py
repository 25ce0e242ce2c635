"""The data half on real weather: two halves of a week pass, January against July does not, a person may override.

The halves are dealt hour by hour: from its first days to its last the weather of a winter week really moves.
"""

from __future__ import annotations

import json

import pytest
from tests.dag_factory.local.commands import mlops

pytestmark = pytest.mark.timeout(300)

NEW_YORK = """
workflow: weather
parameters:
  first: {type: string, default: "month = 2 and day between 4 and 10 and hour % 2 = 0"}
  second: {type: string, default: "month = 2 and day between 4 and 10 and hour % 2 = 1"}
phases:
  readings: {type: ingest, source: nyc_weather.csv, columns: {time_hour: timestamp}}
  before: {type: transform, data: readings, sql: "SELECT * FROM data WHERE {{ params.first }}"}
  now: {type: transform, data: readings, sql: "SELECT * FROM data WHERE {{ params.second }}"}
  checked:
    type: validate
    data: now
    columns: {origin: {allowed: [EWR, JFK, LGA]}, humid: {minimum: 0, maximum: 100}}
    rules:
      - drift: {baseline: before, threshold: 0.35, share: 0.4, columns: [temp, dewp, humid, wind_speed, pressure]}
    on_fail: ask
  parts: {type: split, data: checked, by: time, keys: [time_hour], leakage: {timestamp: time_hour}}
"""
NEBRASKA = """
workflow: rain
phases:
  days: {type: ingest, source: noaa_weather.csv, columns: {target: integer}}
  checked:
    type: validate
    data: days
    columns: {target: {allowed: [0, 1], nullable: false}, feat_1: {minimum: -40, maximum: 120}}
    rules: ["row_count == 18159", "columns.feat_1.mean > columns.feat_8.mean"]
  parts: {type: split, data: checked, by: order, test: 0.2}
  same: {type: validate, data: parts.test, rules: [{drift: {baseline: parts.train, threshold: 0.3, share: 0.5}}]}
"""
WINTER = ["-p", "first=month = 1"]


@pytest.fixture
def folder(tmp_path, data_folder):
    (tmp_path / "weather.yaml").write_text(NEW_YORK)
    (tmp_path / "rain.yaml").write_text(NEBRASKA)
    for name in ("nyc_weather.csv", "noaa_weather.csv"):
        (tmp_path / name).symlink_to(data_folder / name)
    return tmp_path


def records(folder, workflow):
    runs = folder / f".mlops/run/store/{workflow}/runs"
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(runs.glob("*/*/*.json"))}


def test_two_halves_of_a_week_pass_and_nobody_is_asked(folder):
    done = mlops(folder, "run", "weather.yaml", "--reject")

    assert done.returncode == 0, done.stdout
    found = records(folder, "weather")
    assert found["checked"]["verdict"]["status"] == "passed"
    assert "columns drifted from before" in found["checked"]["summary"]
    assert "checked.override" not in found
    assert found["parts"]["metrics"]["test_rows"] > 40


def test_january_against_july_is_blocked(folder):
    done = mlops(folder, "run", "weather.yaml", "--reject", *WINTER, "-p", "second=month = 7")

    assert done.returncode == 1
    found = records(folder, "weather")
    assert found["checked"]["verdict"]["status"] == "blocked"
    assert "temp" in found["checked"]["summary"]
    assert found["checked.override"]["summary"] == "Stopped by the terminal."
    assert "parts" not in found


def test_a_person_overrides_with_a_reason_that_stays_on_record(folder):
    done = mlops(folder, "run", "weather.yaml", *WINTER, "-p", "second=month = 7", answer="it is summer\n")

    assert done.returncode == 0, done.stdout
    found = records(folder, "weather")
    assert found["checked"]["verdict"]["status"] == "blocked"
    details = found["checked.override"]["details"]
    assert (details["overridden"], details["by"], details["reason"]) == (True, "the terminal", "it is summer")
    assert details["entry"]["number"] == 1
    assert found["parts"]["status"] == "succeeded"


def test_fifty_years_of_nebraska_hold_their_rules(folder):
    done = mlops(folder, "run", "rain.yaml")

    assert done.returncode == 0, done.stdout
    found = records(folder, "rain")
    assert found["parts"]["metrics"] == {"train_rows": 14527, "test_rows": 3632}
    assert found["same"]["verdict"]["status"] == "passed"
