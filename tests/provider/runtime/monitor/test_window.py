"""The window: which predictions and labels are in it, whatever lies in their folders."""

from __future__ import annotations

import fsspec
import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec import IngestSpec
from mlops_provider.exceptions import DataError
from mlops_provider.runtime.table import read_frame

LABELS = {"source": "labels", "column": "target"}


def truths(frame):
    """Give the labels of a window by request id."""
    return frame.dropna(subset=["truth"]).set_index("request_id")["truth"].to_dict()


def test_labels_before_predictions_wait_for_them(digits):
    table = digits.table(digits.rows.head(10))
    digits.deliver(table["request_id"], range(10))

    outcome, _ = digits.window(labels=LABELS)
    assert outcome.metrics["rows"] == 0

    digits.write(table)
    outcome, frame = digits.window(labels=LABELS)
    assert (outcome.metrics["labelled"], outcome.metrics["coverage"]) == (10, 1)
    assert frame["truth"].tolist() == list(range(10))


def test_labels_of_other_requests_change_nothing(digits):
    digits.log(digits.rows.head(10))
    digits.deliver(["r-unknown"], [3])

    outcome, frame = digits.window(labels=LABELS)

    assert (outcome.metrics["labelled"], len(frame)) == (0, 10)


def test_of_several_labels_the_last_counts(digits):
    first, second, third = ids = digits.log(digits.rows.head(3))
    digits.deliver([first, second, first], [1, 2, 4], "2026-01.csv")
    digits.deliver([second], [7], "2026-02.parquet")
    digits.deliver([third], [9], "2026-03.csv")
    digits.deliver([third], [8], "2026-02.csv")

    _, frame = digits.window(labels=LABELS)

    assert truths(frame) == dict(zip(ids, [4, 7, 9], strict=True))
    assert len(frame) == 3


def test_a_label_file_of_many_lines_keeps_their_order(digits):
    [first] = digits.log(digits.rows.head(1))
    lines = 200_000
    digits.deliver([first] * lines, np.arange(lines) % 10)

    _, frame = digits.window(labels=LABELS)

    assert truths(frame) == {first: (lines - 1) % 10}


def test_labels_that_do_not_fit_the_target_have_not_arrived(digits):
    ids = digits.log(digits.rows.head(5))
    digits.deliver(ids[:2], [3, 4], "a.csv")
    digits.deliver(ids, ["", "seven", "5.0", "6", "NA"], "b.csv")

    _, frame = digits.window(labels=LABELS)

    assert truths(frame) == dict(zip(ids[:4], [3, 4, 5, 6], strict=True))


def test_labels_of_a_number_must_be_finite(watched):
    service = watched("sklearn:diabetes", "sklearn.linear_model.Ridge")
    ids = service.log(service.rows.head(4))
    service.deliver(ids, ["nan", "inf", "", "12.5"])

    _, frame = service.window(labels=LABELS)

    assert truths(frame) == {ids[3]: 12.5}


def test_rows_of_one_request_have_their_own_labels(digits):
    digits.log(digits.rows.head(3), request_id="batch", row=np.arange(3, dtype="int32"))
    digits.deliver(["batch", "batch"], [5, 6], "rows.csv", row=[1, 2.0])
    digits.deliver(["batch"], [4], "without.csv")

    _, frame = digits.window(labels=LABELS)

    assert frame.sort_values("row")["truth"].tolist() == [4, 5, 6]


def test_label_files_being_written_do_not_disturb(digits):
    ids = digits.log(digits.rows.head(3))
    digits.deliver(ids[:1], [1])
    folder = digits.bench.root / "labels"
    (folder / "empty.csv").write_text("")
    (folder / "torn.csv").write_text(f"request_id,target\n{ids[1]},2\n{ids[2][:4]}")
    (folder / "torn.parquet").write_bytes(b"PAR1 and no more")
    (folder / "notes.txt").write_text("not labels")

    outcome, frame = digits.window(labels=LABELS)

    assert truths(frame) == {ids[0]: 1, ids[1]: 2}
    assert outcome.metrics["unreadable_files"] == 1
    assert outcome.details["unreadable"][0].endswith("torn.parquet")


def test_labels_without_their_column_are_an_error_that_names_it(digits):
    digits.log(digits.rows.head(3))
    digits.deliver(["r"], [1])

    with pytest.raises(DataError, match="have no column digit") as caught:
        digits.window(labels={**LABELS, "column": "digit"})

    assert "they have: request_id, target" in str(caught.value)


def test_labels_may_be_in_an_object_store(digits):
    ids = digits.log(digits.rows.head(2))
    files = fsspec.filesystem("memory")
    files.pipe_file("/outcomes/a.csv", f"request_id,target\n{ids[0]},1\n".encode())
    files.pipe_file("/outcomes/b.csv", f"request_id,target\n{ids[1]},2\n".encode())

    for source in ("memory://outcomes", "memory://outcomes/*.csv"):
        _, frame = digits.window(labels={**LABELS, "source": source})
        assert truths(frame) == dict(zip(ids, [1, 2], strict=True))


def test_no_label_yet_is_fine(digits):
    digits.log(digits.rows.head(2))

    for source in ("nowhere", "nowhere/*.csv"):
        outcome, _ = digits.window(labels={**LABELS, "source": source})
        assert (outcome.metrics["rows"], outcome.metrics["labelled"]) == (2, 0)


def test_coverage_is_of_those_whose_label_is_due(digits):
    old = digits.log(digits.rows.head(4), minutes_ago=180)
    digits.log(digits.rows.head(6), minutes_ago=1)
    digits.deliver(old[:3], [1, 2, 3])

    outcome, _ = digits.window(labels={**LABELS, "delay": "2h"})

    assert outcome.metrics["coverage"] == pytest.approx(0.75)


def test_a_window_in_time_ends_there_and_opens_no_older_folder(digits):
    digits.log(digits.rows.head(5), minutes_ago=10)
    digits.log(digits.rows.head(5), minutes_ago=90)
    digits.log(digits.rows.head(5), minutes_ago=60 * 50)
    for file in digits.bench.root.glob("store/flow/predictions/production/version=1/*/*/*.parquet"):
        if pd.read_parquet(file)["ts"].max() < pd.Timestamp.now("UTC") - pd.Timedelta(hours=24):
            file.write_bytes(b"torn")

    outcome, _ = digits.window(window={"size": "1h"})
    assert outcome.metrics["rows"] == 5
    outcome, _ = digits.window(window={"size": "24h"})
    assert (outcome.metrics["rows"], outcome.metrics["unreadable_files"]) == (10, 0)


def test_a_window_in_rows_has_the_latest_in_the_order_of_time(digits):
    late = digits.log(digits.rows.head(30), minutes_ago=1)
    early = digits.log(digits.rows.head(30), minutes_ago=130)

    _, frame = digits.window(window={"rows": 40})

    assert len(frame) == 40
    assert frame["ts"].is_monotonic_increasing
    assert set(late) <= set(frame["request_id"])
    assert set(frame["request_id"][:10]) < set(early)


def test_what_an_earlier_version_answered_is_not_in_the_window(digits):
    digits.log(digits.rows.head(20), minutes_ago=5)
    digits.release("2")

    outcome, _ = digits.window()
    assert outcome.metrics["rows"] == 0
    assert "version 2 has given no predictions" in outcome.summary

    digits.log(digits.rows.head(7), version="2")
    outcome, frame = digits.window()
    assert (len(frame), set(frame["version"])) == (7, {"2"})


def test_half_written_and_damaged_files_are_counted_and_skipped(digits):
    digits.write(digits.table(digits.rows), name="good")
    [good] = digits.bench.root.glob("store/flow/predictions/production/*/*/*/good.parquet")
    content = good.read_bytes()
    good.with_name("torn.parquet").write_bytes(content[:500])
    good.with_name("empty.parquet").write_bytes(b"")
    good.with_name("damaged.parquet").write_bytes(content[:200] + bytes(4000) + content[4200:])

    outcome, frame = digits.window()

    assert (len(frame), outcome.metrics["unreadable_files"]) == (len(digits.rows), 3)


def test_nothing_but_unreadable_files_is_an_empty_window(digits):
    digits.write(digits.table(digits.rows.head(5)), name="good")
    [good] = digits.bench.root.glob("store/flow/predictions/production/*/*/*/good.parquet")
    good.write_bytes(good.read_bytes()[:100])

    outcome, frame = digits.window()

    assert (outcome.metrics["rows"], frame) == (0, None)


def test_labelled_predictions_come_back_as_training_data(digits):
    ids = digits.log(digits.rows)
    digits.deliver(ids[:100], digits.rows["target"][:100])
    source = ["sklearn:digits", "predictions"]

    ref = digits.bench.run(IngestSpec(source=source, labels=LABELS)).outputs["data"]

    assert ref.rows == 1797 + 100
    frame = read_frame(digits.bench.store, ref)
    assert frame["target"].isna().sum() == 0
    assert frame.tail(100)["pixel_3_3"].tolist() == digits.rows["pixel_3_3"][:100].tolist()


def test_training_data_comes_from_every_version_also_where_columns_differ(digits):
    old = digits.table(digits.rows.head(10), minutes_ago=10).drop(columns="x_pixel_0_1")
    old["x_pixel_0_2"] = old["x_pixel_0_2"].astype("int64")
    ids = digits.write(old)
    digits.release("2")
    ids += digits.log(digits.rows.head(10), version="2")
    digits.deliver(ids, [*range(10), *range(10)])

    ref = digits.bench.run(IngestSpec(source="predictions", labels=LABELS)).outputs["data"]

    frame = read_frame(digits.bench.store, ref)
    assert frame["target"].tolist() == [*range(10), *range(10)]
    assert frame["pixel_0_1"].isna().tolist() == [True] * 10 + [False] * 10
    assert "x_pixel_0_2" not in frame
