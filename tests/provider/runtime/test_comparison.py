"""Columns of every type and trouble side by side: each is scored or named, and none loses the others."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.comparison import Wanted, compare_columns
from mlops_provider.runtime.table import connect


def compare(before, after, kinds, **fields):
    """Profile two sources (SQL or frames) around the centres of the first, and compare."""
    profiles = []
    for side in (before, after):
        with connect() as connection:
            if not isinstance(side, str):
                connection.register("side", side)
            centres = {name: one.centre for name, one in profiles[0].items()} if profiles else None
            profiles.append(profile_columns(connection, side if isinstance(side, str) else "side", kinds, centres))
    return compare_columns(*profiles, kinds, default=Wanted(), **fields)


def test_columns_of_every_type_are_scored(tmp_path):
    day = dt.date(2026, 1, 1)
    table = pa.table(
        {
            "decimal": pa.array([decimal.Decimal(f"{i}.25") for i in range(100)], pa.decimal128(12, 2)),
            "nullable": pa.array([None if i % 3 else i for i in range(100)], pa.int64()),
            "small": pa.array([i % 7 for i in range(100)], pa.int8()),
            "flag": pa.array([i % 2 == 0 for i in range(100)]),
            "day": pa.array([day + dt.timedelta(days=i) for i in range(100)]),
            "coded": pa.array([f"v{i % 4}" for i in range(100)]).dictionary_encode(),
            "bytes": pa.array([bytes([i % 3]) for i in range(100)]),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    source = f"read_parquet('{tmp_path / 'rows.parquet'}')"
    kinds = {"decimal": "number", "nullable": "number", "small": "number", "flag": "boolean", "day": "time"}
    kinds |= {"coded": "category", "bytes": "category"}

    same = compare(source, source, kinds)
    shifted = f'(SELECT * REPLACE ("decimal" + 50 AS "decimal", true AS flag, day + 100 AS day) FROM {source})'
    moved = compare(source, shifted, kinds, columns={"day": Wanted("wasserstein", 0.1)})

    assert same.scores == pytest.approx(dict.fromkeys(kinds.keys() - {"day"}, 0), abs=1e-7)
    assert not same.bad
    assert {name for _, name in moved.drifted()} == {"decimal", "flag", "day"}
    assert moved.scores["day"] == pytest.approx(100 / np.std(range(100)), rel=1e-6)
    assert moved.notes == {"flag": "is always true"}


def test_every_trouble_is_named_and_the_others_are_scored():
    fine = np.arange(100.0)
    before = pd.DataFrame(dict.fromkeys(("fine", "gone", "mixed", "infinite", "empty", "late"), fine))
    before["late"] = np.nan
    after = pd.DataFrame(
        {
            "fine": fine,
            "mixed": ["many" if i == 7 else str(i) for i in range(100)],
            "infinite": np.inf,
            "empty": np.nan,
            "late": fine,
            "new": fine,
        }
    )

    found = compare(before, after, dict.fromkeys([*before, "new"], "number"))

    assert found.scores == {"fine": 0}
    assert found.bad == {
        "gone": "is not in the data",
        "mixed": "has text instead of numbers (1 rows)",
        "infinite": "has only infinite values",
        "empty": "has no value any more",
        "late": "has values, which it had not in the baseline",
        "new": "is not in the baseline",
    }
    assert found.total == 7


def test_numbers_as_text_are_numbers_and_windows_of_few_rows_are_scored():
    before = pd.DataFrame({"x": np.arange(100.0)})

    assert compare(before, pd.DataFrame({"x": before["x"].astype(str)}), {"x": "number"}).scores == {"x": 0}
    for rows in (1, 5):
        assert 0 <= compare(before, before.head(rows), {"x": "number"}).scores["x"] < 2
    empty = compare(before, before.head(0), {"x": "number"})
    assert empty.bad == {"x": "has no value any more"}


def test_a_column_that_comes_twice_is_read_as_two(tmp_path):
    twice = pa.Table.from_arrays([pa.array([1.0, 2.0]), pa.array([5.0, 6.0])], names=["x", "x"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    source = f"read_parquet('{tmp_path / 'twice.parquet'}')"

    found = compare(source, source, {"x": "number"})

    assert found.scores == {"x": 0}
