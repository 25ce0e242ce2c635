"""Validate: every rule explained, rows that fail shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from mlops_dag_factory.spec import TransformSpec, ValidateSpec
from mlops_provider.exceptions import CheckpointBlockedError, ConfigError, DataError, ExpressionError
from mlops_provider.runtime.evaluation.evidently_page import drawn


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


def report(bench, outcome):
    folder = bench.store.open(outcome.outputs["report"]).folder
    return json.loads((folder / "report.json").read_text()), (folder / "report.html").read_text()


def test_values_that_another_dataset_lacks_are_found(bench):
    towns = bench.csv("towns.csv", "name\nUlm\nBonn\n")
    data = bench.csv("rows.csv", "id,town\n1,Ulm\n2,Köln\n3,\n4,Bonn\n5,Köln\n")
    spec = ValidateSpec(
        data="rows", on_fail="skip", columns={"town": {"references": {"data": "towns", "column": "name"}}}
    )
    assert spec.references() == {"data": ("rows",), "columns.town.references.data": ("towns",)}

    outcome = bench.run(spec, {"data": data, "columns.town.references.data": towns})

    [rule] = outcome.verdict.rules
    assert (rule.result, rule.values["count"]) == ("failed", 2)
    assert rule.why == "town: is in towns.name: 2 rows name what is not there"
    assert [row["id"] for row in report(bench, outcome)[0]["failing_rows"][rule.rule]] == [2, 5]


@pytest.mark.parametrize(("days", "within", "status"), [(1, "2d", "passed"), (3, "2d", "blocked")])
def test_the_latest_row_must_be_young(bench, days, within, status):
    at = datetime.now(UTC) - timedelta(days=days)
    data = bench.csv("rows.csv", f"at,n\n{at.isoformat()},1\n2020-01-01T00:00:00+00:00,2\n")

    outcome = validate(bench, data, rules=[{"freshness": {"column": "at", "within": within}}])

    assert outcome.verdict.status == status
    assert "the limit is 2 days" in outcome.verdict.rules[0].why


def test_a_column_without_any_time_is_not_fresh(bench):
    data = bench.csv("rows.csv", "at,n\n,1\n,2\n")

    outcome = validate(bench, data, rules=[{"freshness": {"column": "at", "within": "1d"}}])

    assert outcome.verdict.rules[0].why == "at holds no time at all"
    with pytest.raises(ConfigError, match="freshness of n' does not fit the column"):
        validate(bench, data, rules=[{"freshness": {"column": "n", "within": "1d"}}])


def test_what_concerns_persons_is_masked_in_reports(bench):
    data = bench.csv("people.csv", "id,mail,age\n1,ana@example.com,-5\n2,bert@example.com,30\n3,,-1\n")

    outcome = validate(bench, data, columns={"age": {"minimum": 0}, "mail": {"pattern": "[a]+"}}, personal=["mail"])

    content, page = report(bench, outcome)
    assert content["failing_rows"]["age: at least 0.0"] == [
        {"id": 1, "mail": "•••", "age": -5},
        {"id": 3, "mail": None, "age": -1},
    ]
    for file in bench.store.open(outcome.outputs["report"]).files():
        assert "example.com" not in file.read_text()
    assert "<td>•••</td>" in page
    assert "example.com" not in outcome.summary


def test_drift_names_what_moved_and_draws_it(bench, data_folder):
    weather = bench.dataset(str(data_folder / "nyc_weather.csv"))
    january, july = (
        bench.run(
            TransformSpec(data="d", sql=f"SELECT temp, dewp, origin FROM data WHERE month = {month}"), {"data": weather}
        )
        for month in (1, 7)
    )
    rules = [{"drift": {"baseline": "january", "threshold": 0.5, "share": 0.6}, "severity": "warn"}]
    spec = ValidateSpec(data="july", rules=rules)

    outcome = bench.run(spec, {"data": july.outputs["data"], "rules.0.drift.baseline": january.outputs["data"]})

    [rule] = outcome.verdict.rules
    assert rule.result == "warned"
    assert rule.why.startswith("2 of 3 columns drifted from january (67%, limit 60%); most: temp 4.")
    folder = bench.store.key(outcome.outputs["report"].uri)
    assert b"plotly" in drawn(bench.store, folder, "drift-0.html").lower()
    assert "<a href='drift-0.html'>" in report(bench, outcome)[1]


def test_a_column_that_is_gone_counts_as_drifted(bench):
    before = bench.csv("a.csv", "x,y\n" + "".join(f"{i},{i % 3}\n" for i in range(50)))
    now = bench.csv("b.csv", "x\n" + "".join(f"{i}\n" for i in range(50)))

    spec = ValidateSpec(data="now", on_fail="skip", rules=[{"drift": {"baseline": "before", "share": 0.5}}])
    outcome = bench.run(spec, {"data": now, "rules.0.drift.baseline": before})

    assert outcome.verdict.status == "blocked"
    assert "y is not in the data" in outcome.verdict.rules[0].why
