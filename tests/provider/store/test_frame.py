"""Frames: one form for every type, whichever way the file was written."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_provider.store.frame import read_parquet


@pytest.fixture
def path(tmp_path):
    table = pa.table(
        {
            "price": pa.array([decimal.Decimal("1.25"), None]),
            "day": pa.array([dt.date(2024, 1, 31), None]),
            "town": pa.array(["Ulm", None]),
            "wet": pa.array([True, None]),
            "count": pa.array([1, 2]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_decimals_are_floats_and_dates_timestamps(path):
    frame = read_parquet(path)

    assert frame["price"].dtype == np.float64
    assert frame["price"][0] == 1.25
    assert frame["day"][0].isoformat() == "2024-01-31T00:00:00"
    assert frame["count"].dtype == np.int64


def test_what_is_missing_is_nan_and_never_none(path):
    frame = read_parquet(path)

    assert frame["town"][0] == "Ulm"
    assert frame["wet"][0] is True
    assert all(isinstance(frame[name][1], float) and np.isnan(frame[name][1]) for name in ("town", "wet", "price"))


def test_a_folder_that_looks_like_a_partition_adds_no_column(tmp_path, path):
    inside = tmp_path / "version=1"
    inside.mkdir()
    path.rename(inside / "t.parquet")

    assert "version" not in read_parquet(inside / "t.parquet").columns


def test_some_columns_are_read_alone(path):
    assert list(read_parquet(path, ["count"]).columns) == ["count"]
