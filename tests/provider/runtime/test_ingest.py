"""Ingest: from files, globs and scikit-learn, typed, the same digest for the same data."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_dag_factory.spec import IngestSpec
from mlops_provider.exceptions import DataError
from mlops_provider.runtime.table import read_frame

ROWS = "day,town,rain\n2024-01-01,Ulm,1.5\n2024-01-02,Bonn,NA\n2024-01-03,Ulm,\n"


def test_a_csv_is_typed_and_missing_values_are_null(bench):
    frame = read_frame(bench.store, bench.csv("rain.csv", ROWS))

    assert frame["rain"].tolist()[0] == 1.5
    assert frame["rain"].isna().sum() == 2
    assert frame["town"].tolist() == ["Ulm", "Bonn", "Ulm"]


def test_real_data_keeps_every_row(bench, data_folder):
    ref = bench.dataset(str(data_folder / "nyc_weather.csv"), columns={"time_hour": "timestamp"})

    frame = read_frame(bench.store, ref)
    assert ref.rows == len(frame) == 26115
    assert frame["wind_gust"].isna().sum() == 20778
    assert frame["time_hour"].dtype.kind == "M"


def test_the_same_source_gives_the_same_digest(bench):
    assert bench.csv("rain.csv", ROWS) == bench.csv("again.csv", ROWS)


def test_globs_and_lists_are_joined_by_name(bench):
    (bench.root / "a-1.csv").write_text("x,y\n1,2\n")
    (bench.root / "a-2.csv").write_text("y,x\n4,3\n")
    pd.DataFrame({"x": [5], "z": [6]}).to_parquet(bench.root / "b.parquet")

    frame = read_frame(bench.store, bench.dataset(["a-*.csv", "b.parquet"]))

    assert frame["x"].tolist() == [1, 3, 5]
    assert frame["y"].tolist()[:2] == [2, 4]
    assert frame["z"].tolist()[2] == 6


def test_deduplication_keeps_the_latest_row_of_a_key(bench):
    (bench.root / "d.csv").write_text("id,at,v\n1,2024-01-02,new\n1,2024-01-01,old\n2,2024-01-01,only\n")

    ref = bench.dataset("d.csv", keys=["id"], timestamp="at", deduplicate=True)

    assert sorted(read_frame(bench.store, ref)["v"]) == ["new", "only"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"source": "nowhere.csv"}, "nowhere.csv' does not exist"),
        ({"source": "sklearn:digit"}, "ships no data set 'digit'"),
        ({"source": "rain.csv", "keys": ["id"]}, "no column 'id'"),
        ({"source": "rain.csv", "columns": {"town": "integer"}}, "Ulm"),
        ({"source": "empty.csv"}, "has no rows"),
        ({"source": "broken.parquet"}, "cannot be read as parquet"),
        ({"source": "predictions"}, "no labels"),
    ],
)
def test_bad_sources_are_named(bench, spec, message):
    (bench.root / "rain.csv").write_text(ROWS)
    (bench.root / "empty.csv").write_text("a,b\n")
    (bench.root / "broken.parquet").write_bytes(b"PAR1 and then nothing")

    with pytest.raises(DataError, match=message):
        bench.run(IngestSpec(**spec))
    assert bench.store.files.list("flow/datasets") == []
