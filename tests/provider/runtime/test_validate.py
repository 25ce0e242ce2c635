"""Validate: every rule explained, rows that fail shown."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mlops_dag_factory.spec import ValidateSpec
from mlops_provider.exceptions import CheckpointBlockedError, ConfigError, DataError, ExpressionError


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
    with pytest.raises(ExpressionError, match=r"'columns\.temp\.median' is missing"):
        validate(bench, weather, rules=["columns.temp.median > 3"])


@pytest.mark.parametrize(
    ("column", "rule", "message"),
    [
        ("origin", {"minimum": 1}, r"'origin: at least 1\.0' does not fit"),
        ("temp", {"maximum": "hot"}, "'temp: at most hot' does not fit"),
        ("origin", {"pattern": "["}, "does not fit"),
        ("origin", {"allowed": [1, 2]}, "does not fit"),
    ],
)
def test_a_rule_that_does_not_fit_its_column_is_named(bench, weather, column, rule, message):
    with pytest.raises(ConfigError, match=message):
        validate(bench, weather, columns={"hour": {"minimum": 0}, column: rule})


def test_nothing_to_judge_proves_nothing(bench, weather):
    assert validate(bench, weather).verdict.status == "vacuous"


def test_missing_values_concern_nullable_alone(bench):
    data = bench.csv("few.csv", "a,b\n1,x\n,x\n,y\n")

    outcome = validate(bench, data, columns={"a": {"unique": True, "allowed": [1, None], "minimum": 0}})

    assert outcome.verdict.status == "passed"


def test_rows_with_values_that_json_lacks_are_shown(bench):
    pd.DataFrame({"a": [1.0, float("inf")]}).to_parquet(bench.root / "inf.parquet")

    outcome = validate(bench, bench.dataset("inf.parquet"), columns={"a": {"maximum": 9}})

    report = json.loads((bench.store.open(outcome.outputs["report"]).folder / "report.json").read_text())
    assert report["failing_rows"] == {"a: at most 9.0": [{"a": "inf"}]}


def test_sql_may_end_with_a_semicolon_or_a_remark(bench, weather):
    rules = [{"sql": "SELECT * FROM data WHERE hour > 24;"}, {"sql": "SELECT * FROM data WHERE hour > 25 -- never"}]

    assert validate(bench, weather, rules=rules).verdict.status == "passed"
