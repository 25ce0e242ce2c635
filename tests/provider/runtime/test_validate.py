"""Validate: every rule explained, rows that fail shown."""

from __future__ import annotations

import json

import pytest

from mlops_dag_factory.spec import ValidateSpec
from mlops_provider.exceptions import CheckpointBlockedError, ConfigError, DataError


def validate(bench, data, **fields):
    return bench.run(ValidateSpec(data="d", on_fail="skip", **fields), {"data": data})


@pytest.fixture
def weather(bench, data_folder):
    return bench.dataset(str(data_folder / "nyc_weather.csv"))


def test_rules_that_hold_pass_and_the_data_goes_on_unchanged(bench, weather):
    outcome = validate(
        bench,
        weather,
        columns={
            "origin": {"allowed": ["EWR", "JFK", "LGA"]},
            "month": {"minimum": 1, "maximum": 12, "nullable": False},
        },
        rules=["row_count > 20000", "columns.temp.mean > 50 and columns.temp.null_share < 0.01"],
    )

    assert outcome.verdict.status == "passed"
    assert outcome.outputs["data"] == weather


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ({"columns": {"origin": {"allowed": ["EWR", "JFK"]}}}, 8706),
        ({"columns": {"wind_gust": {"nullable": False}}}, 20778),
        ({"columns": {"temp": {"maximum": 100}}}, 2),
        ({"columns": {"origin": {"pattern": "[EJ].*"}}}, 8706),
        ({"columns": {"origin": {"unique": True}}}, 3),
        ({"columns": {"origin": {"type": "integer"}}}, 26115),
        ({"rules": [{"sql": "SELECT * FROM data WHERE hour = 0"}]}, 1075),
    ],
)
def test_rows_that_break_a_rule_are_counted_and_shown(bench, weather, rule, count):
    outcome = validate(bench, weather, **rule)

    [result] = [rule for rule in outcome.verdict.rules if rule.result == "failed"]
    assert result.values["count"] == count
    report = json.loads((bench.store.open(outcome.outputs["report"]).folder / "report.json").read_text())
    [rows] = report["failing_rows"].values()
    assert 1 <= len(rows) <= 20


def test_a_warning_does_not_block(bench, weather):
    outcome = validate(bench, weather, columns={"wind_gust": {"nullable": False, "severity": "warn"}})

    assert outcome.verdict.status == "passed"
    assert outcome.verdict.rules[0].result == "warned"


def test_a_failure_stops_when_it_should(bench, weather):
    with pytest.raises(CheckpointBlockedError, match="row_count = 26115"):
        bench.run(ValidateSpec(data="d", rules=["row_count < 10"]), {"data": weather})


def test_rules_over_what_is_not_there_are_errors(bench, weather):
    with pytest.raises(DataError, match="no column 'rain'"):
        validate(bench, weather, columns={"rain": {"nullable": False}})
    with pytest.raises(ConfigError, match="not valid SQL"):
        validate(bench, weather, rules=[{"sql": "SELECT nope FROM data"}])
