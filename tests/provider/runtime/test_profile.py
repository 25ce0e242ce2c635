"""Profiles, their differences and the rules they suggest, on real weather."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec import TransformSpec, ValidateSpec
from mlops_provider.runtime.data_diff import compare_profiles
from mlops_provider.runtime.profile import QUANTILES, profile
from mlops_provider.runtime.profile_page import diff_page, profile_page
from mlops_provider.runtime.proposal import propose_rules
from mlops_provider.runtime.table import connect, scan


@pytest.fixture
def weather(bench, data_folder):
    return bench.dataset(str(data_folder / "nyc_weather.csv"))


def profiled(bench, ref):
    with connect() as connection:
        return profile(connection, scan(bench.store, ref))


def month(bench, weather, number):
    spec = TransformSpec(data="d", sql=f"SELECT * EXCLUDE (month) FROM data WHERE month = {number}")
    return bench.run(spec, {"data": weather}).outputs["data"]


def by_name(found):
    return {column["name"]: column for column in found["columns"]}


def test_a_profile_says_what_pandas_says(bench, weather, data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv")
    found = profiled(bench, weather)

    assert found["rows"] == len(frame)
    for name, column in by_name(found).items():
        assert column["missing"] == frame[name].isna().sum(), name
        if "mean" in column:
            assert column["mean"] == pytest.approx(frame[name].mean())
            assert column["deviation"] == pytest.approx(frame[name].std())
            assert [column["minimum"], column["maximum"]] == [frame[name].min(), frame[name].max()]
            assert sum(column["histogram"][1]) == frame[name].notna().sum()
            values = frame[name].dropna().to_numpy(float)
            exact = np.quantile(values, QUANTILES, method="inverted_cdf").tolist()
            assert column["quantiles"] == pytest.approx(exact, rel=1e-12)  # pandas reads decimals less exactly
    assert by_name(found)["origin"]["top"] == [list(item) for item in frame["origin"].value_counts().items()]
    assert by_name(found)["month"]["histogram"][1] == frame["month"].value_counts().sort_index().tolist()
    assert sum(by_name(found)["time_hour"]["histogram"][1]) == len(frame)


def test_odd_columns_are_profiled_too(bench):
    frame = pd.DataFrame(
        {
            "none": [None, None, None],
            "far": [1.0, float("inf"), float("nan")],
            "same": [7, 7, 7],
            "yes": [True, None, False],
            "day": pd.to_datetime(["2026-01-01", "2026-01-03", None]),
            'quo"ted': ["a", "b", "b"],
        }
    )
    frame.to_parquet(bench.root / "odd.parquet")
    found = by_name(profiled(bench, bench.dataset("odd.parquet")))

    assert found["none"]["missing"] == 3
    assert (found["far"]["mean"], sum(found["far"]["histogram"][1])) == (1.0, 1)
    assert found["same"]["histogram"] == [[7, 8], [3]]
    assert sorted(found["yes"]["top"]) == [["false", 1], ["true", 1]]
    assert sum(found["day"]["histogram"][1]) == 2
    assert found['quo"ted']["top"] == [["b", 2], ["a", 1]]
    assert "<b>quo&quot;ted</b>" in profile_page("odd", {"rows": 3, "columns": list(found.values())})


def test_thousands_of_columns_are_profiled(bench):
    pd.DataFrame({f"c{i}": [i, i + 1.5] for i in range(1500)}).to_parquet(bench.root / "wide.parquet")

    found = profiled(bench, bench.dataset("wide.parquet"))

    assert [column["mean"] for column in found["columns"][1498:]] == [1498.75, 1499.75]


def test_a_difference_names_what_changed_and_only_that(bench, weather):
    january, july = (profiled(bench, month(bench, weather, number)) for number in (1, 7))
    other = {**july, "columns": [{**c, "type": "DOUBLE"} if c["name"] == "day" else c for c in july["columns"][1:]]}
    other["columns"].append({"name": "snow", "type": "BIGINT", "missing": 0, "distinct": 1})

    found = compare_profiles(january, other)

    assert (found["added"], found["removed"], found["retyped"]) == (["snow"], ["origin"], {"day": ["BIGINT", "DOUBLE"]})
    assert found["columns"]["temp"]["shift"] > 4
    assert not {"hour", "year", "day"} & set(found["columns"])
    assert compare_profiles(january, january)["columns"] == {}
    page = diff_page("months", found)
    assert page.index("<b>temp</b>") < page.index("<b>hour</b>"), "what moved stands first"
    assert "mean 35.64 → 80.07" in page


def test_proposed_rules_hold_for_the_data_they_come_from_and_not_for_broken_data(bench, weather):
    rules = propose_rules(profiled(bench, weather))

    good = bench.run(ValidateSpec(data="d", on_fail="skip", **rules), {"data": weather})
    assert good.verdict.status == "passed"
    assert rules["columns"]["origin"] == {"type": "string", "nullable": False, "allowed": ["EWR", "JFK", "LGA"]}

    broken = "SELECT * REPLACE (CASE WHEN hour = 3 THEN 'BOS' ELSE origin END AS origin, temp * 3 AS temp) FROM data"
    bad = bench.run(TransformSpec(data="d", sql=broken), {"data": weather}).outputs["data"]
    verdict = bench.run(ValidateSpec(data="d", on_fail="skip", **rules), {"data": bad}).verdict
    assert {rule.rule.split(":")[0] for rule in verdict.rules if rule.result == "failed"} == {"origin", "temp"}
