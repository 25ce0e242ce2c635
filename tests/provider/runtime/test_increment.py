"""Incremental ingest: what is new is read once, late rows are taken in, two runs at once lose nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from mlops_dag_factory.spec import IngestSpec
from mlops_provider.exceptions import ConflictError
from mlops_provider.runtime import increment
from mlops_provider.runtime.table import read_frame

START = datetime(2026, 1, 1, tzinfo=UTC)


def hours(first, count, value="v"):
    return "".join(f"{(START + timedelta(hours=i)).isoformat()},{i},{value}\n" for i in range(first, first + count))


def ingest(bench, run, **fields):
    fields = {"source": "part-*.csv", "incremental": {"files": True}, **fields}
    return bench.run(IngestSpec(**fields), run_id=run)


def rows(bench, outcome, output="data"):
    return read_frame(bench.store, outcome.outputs[output])


def test_only_new_files_are_read_and_the_whole_copies_nothing(bench):
    (bench.root / "part-1.csv").write_text("at,n,v\n" + hours(0, 30))
    first = ingest(bench, "a")
    (bench.root / "part-2.csv").write_text("at,n,v\n" + hours(30, 20))
    second = ingest(bench, "b")
    third = ingest(bench, "c")

    assert [outcome.metrics for outcome in (first, second, third)] == [
        {"rows": 30.0, "new_rows": 30.0},
        {"rows": 50.0, "new_rows": 20.0},
        {"rows": 50.0, "new_rows": 0.0},
    ]
    assert rows(bench, second)["n"].tolist() == list(range(50))
    assert rows(bench, second, "new")["n"].tolist() == list(range(30, 50))
    assert third.outputs["data"] == second.outputs["data"]
    assert len(rows(bench, third, "new")) == 0
    assert [path.name for path in bench.store.open(second.outputs["data"]).files()] == ["view.json"]


def test_a_file_that_changed_is_read_again_and_keys_tell_what_is_known(bench):
    known = {"keys": ["n"], "deduplicate": True, "timestamp": "at"}
    (bench.root / "part-1.csv").write_text("at,n,v\n" + hours(0, 10, "old"))
    ingest(bench, "a", **known)
    (bench.root / "part-1.csv").write_text("at,n,v\n" + hours(0, 12, "newer"))
    outcome = ingest(bench, "b", **known)

    assert rows(bench, outcome)[["n", "v"]].values.tolist() == [[n, "newer"] for n in range(12)]


@pytest.mark.parametrize("column", ["at", "n"])
def test_rows_above_the_watermark_are_new_and_late_ones_are_taken_in_once(bench, column):
    fields = {
        "source": "all.csv",
        "incremental": {"watermark": column, "late": "3h" if column == "at" else "3s"},
        "keys": ["n"],
        "deduplicate": True,
    }
    lines = hours(0, 10).splitlines(keepends=True)
    (bench.root / "all.csv").write_text("at,n,v\n" + "".join(lines[:8] + lines[9:]))
    first = ingest(bench, "a", **fields)
    (bench.root / "all.csv").write_text("at,n,v\n" + "".join(lines) + hours(10, 5))
    second = ingest(bench, "b", **fields)

    assert (first.metrics["rows"], second.metrics["rows"]) == (9, 15)
    assert sorted(rows(bench, second)["n"]) == list(range(15))
    assert sorted(rows(bench, second, "new")["n"]) == [8, 10, 11, 12, 13, 14]


def test_a_try_after_the_work_was_noted_gives_the_same(bench):
    (bench.root / "part-1.csv").write_text("at,n,v\n" + hours(0, 5))
    first = ingest(bench, "a")

    assert ingest(bench, "a").outputs == first.outputs


def test_of_two_runs_at_once_one_must_try_again(bench, monkeypatch):
    (bench.root / "part-1.csv").write_text("at,n,v\n" + hours(0, 5))
    write = increment.write_document

    def another_run_is_faster(store, key, data, *, after):
        monkeypatch.setattr(increment, "write_document", write)
        ingest(bench, "other")
        return write(store, key, data, after=after)

    monkeypatch.setattr(increment, "write_document", another_run_is_faster)
    with pytest.raises(ConflictError) as error:
        ingest(bench, "a")

    assert error.value.retryable
    assert ingest(bench, "a").metrics == {"rows": 5.0, "new_rows": 0.0}


def test_many_pieces_become_one(bench, monkeypatch):
    monkeypatch.setattr(increment, "MOST_PIECES", 3)
    for run in range(5):
        (bench.root / f"part-{run}.csv").write_text("at,n,v\n" + hours(run * 3, 3))
        outcome = ingest(bench, f"run-{run}")
        assert rows(bench, outcome)["n"].tolist() == list(range(run * 3 + 3))
    progress = increment.Progress.read(bench.context("ingest", "ingest"))
    assert len(progress.pieces) < 5


def test_a_new_column_is_empty_in_the_rows_before_it(bench):
    (bench.root / "part-1.csv").write_text("n\n1\n")
    ingest(bench, "a")
    pd.DataFrame({"n": [2], "extra": [5.5]}).to_csv(bench.root / "part-2.csv", index=False)
    frame = rows(bench, ingest(bench, "b"))

    assert frame["extra"].isna().tolist() == [True, False]
