"""Ingest: from files, globs and scikit-learn, typed, the same digest for the same data."""

from __future__ import annotations

import fsspec
import pandas as pd
import pytest

from mlops_dag_factory.spec import IngestSpec
from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime import ingest, sources
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
        ({"source": "ragged.csv"}, r"Line: 3 .*3,4,5 Expected Number of Columns: 2 Found: 3"),
        ({"source": "rain.csv", "columns": {"snow": "float"}}, "no column 'snow'"),
        ({"source": "rain.csv", "columns": {"rain": "timestamp"}}, r"Line: 2 .*1.5"),
        ({"source": "folder"}, "folder' is a folder"),
        ({"source": "rain-*.csv"}, "does not exist"),
        ({"source": "broken.json"}, "cannot be read as json"),
    ],
)
def test_bad_sources_are_named(bench, spec, message):
    (bench.root / "rain.csv").write_text(ROWS)
    (bench.root / "empty.csv").write_text("a,b\n")
    (bench.root / "ragged.csv").write_text("a,b\n1,2\n3,4,5\n")
    (bench.root / "broken.json").write_text("{no")
    (bench.root / "folder").mkdir()
    (bench.root / "broken.parquet").write_bytes(b"PAR1 and then nothing")

    with pytest.raises(DataError, match=message):
        bench.run(IngestSpec(**spec))
    assert bench.store.files.list("flow/datasets") == []


def test_two_sets_of_scikit_learn_are_both_read(bench):
    frame = read_frame(bench.store, bench.dataset(["sklearn:iris", "sklearn:wine"]))

    assert len(frame) == 150 + 178
    assert frame["petal length (cm)"].notna().sum() == 150
    assert frame["alcohol"].notna().sum() == 178


def test_a_url_is_read_through_fsspec(bench):
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/{bench.root.name}/a.csv", b"x,y\n1,2\n")
    memory.pipe_file(f"/{bench.root.name}/b.csv", b"x,y\n3,4\n")

    frame = read_frame(bench.store, bench.dataset(f"memory://{bench.root.name}/*.csv"))

    assert frame["x"].tolist() == [1, 3]


def test_a_url_of_an_unknown_kind_says_what_to_install(bench):
    with pytest.raises(ConfigError, match=r"'tape://x\.csv' cannot be reached"):
        bench.dataset("tape://x.csv")


def test_a_type_may_concern_one_of_many_files(bench):
    (bench.root / "o1.csv").write_text("a\n1\n")
    (bench.root / "o2.csv").write_text("a,c\n2,3\n")

    frame = read_frame(bench.store, bench.dataset(["o1.csv", "o2.csv"], columns={"c": "string"}))

    assert frame["c"].tolist()[1] == "3"


def test_no_line_is_taken_for_a_remark(bench):
    frame = read_frame(bench.store, bench.csv("hash.csv", "a,b\n#1,2\n3,4\n"))

    assert frame["a"].tolist() == ["#1", "3"]


def test_arrow_files_and_partitioned_folders_are_read(bench):
    frame = pd.DataFrame({"n": [1, 2, 3], "town": ["Ulm", "Bonn", "Köln"]})
    frame.to_feather(bench.root / "towns.arrow")
    for year in (2025, 2026):
        (bench.root / f"lake/year={year}").mkdir(parents=True)
        frame.to_parquet(bench.root / f"lake/year={year}/rows.parquet")

    assert read_frame(bench.store, bench.dataset("towns.arrow")).equals(frame)
    lake = read_frame(bench.store, bench.dataset("lake/*/rows.parquet", partitions=True))
    assert lake.groupby("year")["n"].sum().to_dict() == {2025: 6, 2026: 6}


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"),
    [
        ("a.csv", "x,y,x\n1,2,3\n", {}, "names a column twice: x"),
        ("a.csv", "x,y\n" + "1,2\n" * 5000 + "1,2,3\n" + "1,2\n" * 5000, {}, "(?i)line.*5002"),
        ("a.csv", "x,y\n" + "1,2\n" * 30000 + "many,2\n", {}, "(?i)line.*30002"),
        ("a.csv", "x\n2026-01-01\n2026-13-45\n", {"x": "date"}, "2026-13-45"),
        ("a.parquet", "PAR1 but no more", {}, "a.parquet.*cannot be read as parquet"),
        ("a.arrow", "ARROW1", {}, "a.arrow' cannot be read as arrow"),
        ("a.json", '{"x": 1}\n{"x": \n', {}, "a.json' cannot be read as json"),
    ],
)
def test_damaged_files_say_what_and_where(bench, name, content, columns, message):
    (bench.root / name).write_text(content)

    with pytest.raises(DataError, match=message):
        bench.dataset(name, columns=columns)
    assert bench.store.files.list("flow/datasets") == []


def test_a_parquet_file_that_was_cut_short_is_refused(bench, data_folder):
    whole = bench.root / "whole.parquet"
    pd.read_csv(data_folder / "noaa_weather.csv").to_parquet(whole)
    content = whole.read_bytes()
    for share in (0.2, 0.6, 0.99):
        (bench.root / "cut.parquet").write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError, match=r"cut\.parquet"):
            bench.dataset("cut.parquet")
    middle = bytearray(content)
    middle[len(middle) // 2 : len(middle) // 2 + 4000] = b"\0" * 4000
    (bench.root / "holed.parquet").write_bytes(bytes(middle))
    with pytest.raises(DataError, match=r"holed\.parquet"):
        bench.dataset("holed.parquet")


def test_wide_empty_and_unicode_columns_come_through(bench):
    wide = {f"Spalte {i} ü": [i, i + 1] for i in range(5000)} | {"nichts": [None, None]}
    pd.DataFrame(wide).to_csv(bench.root / "wide.csv", index=False)

    frame = read_frame(bench.store, bench.dataset("wide.csv"))

    assert frame.shape == (2, 5001)
    assert frame["Spalte 4999 ü"].tolist() == [4999, 5000]
    assert frame["nichts"].isna().all()


def test_a_file_that_vanishes_while_it_is_read_is_named(bench, monkeypatch):
    (bench.root / "gone.csv").write_text(ROWS)
    read = sources.read_sources

    def read_then_lose(*arguments, **more):
        query = read(*arguments, **more)
        (bench.root / "gone.csv").unlink()
        return query

    monkeypatch.setattr(ingest, "read_sources", read_then_lose)
    with pytest.raises(DataError, match=r"gone\.csv"):
        bench.dataset("gone.csv")
    assert bench.store.files.list("flow/datasets") == []
