"""Split: the same parts every time, nothing lost, nothing shared."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import fsspec
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.provider.conftest import Bench

from mlops_dag_factory.spec import IngestSpec, SplitSpec, ValidateSpec
from mlops_provider.exceptions import DataError
from mlops_provider.runtime import split, table
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.garbage import find_garbage
from mlops_provider.store.store import Store
from mlops_provider.store.versions import latest_version


def parts(bench, data, **fields):
    outputs = bench.run(SplitSpec(data="d", **fields), {"data": data}).outputs
    return {name: read_frame(bench.store, ref) for name, ref in outputs.items()}


def test_the_parts_are_disjoint_and_complete(bench):
    data = bench.dataset("sklearn:breast_cancer")

    found = parts(bench, data, test=0.2, validation=0.1, seed=3)

    assert {name: len(frame) for name, frame in found.items()} == {"train": 398, "test": 114, "validation": 57}
    assert len(pd.concat(found.values()).drop_duplicates()) == 569


def test_stratified_parts_keep_the_shares(bench):
    found = parts(bench, bench.dataset("sklearn:breast_cancer"), test=0.25, stratify="target")

    shares = {name: frame["target"].mean() for name, frame in found.items()}
    assert shares["train"] == pytest.approx(shares["test"], abs=0.01)


def test_another_seed_gives_other_parts(bench):
    data = bench.dataset("sklearn:iris")

    assert not parts(bench, data, seed=1)["test"].equals(parts(bench, data, seed=2)["test"])
    assert parts(bench, data, seed=1)["test"].equals(parts(bench, data, seed=1)["test"])


def test_by_order_and_by_time_the_test_is_the_latest(bench, data_folder):
    data = bench.dataset(str(data_folder / "nyc_weather.csv"), columns={"time_hour": "timestamp"})

    found = parts(bench, data, by="time", keys=["time_hour"], test=0.25)

    assert found["train"]["time_hour"].max() < found["test"]["time_hour"].min()
    assert len(found["test"]) == pytest.approx(26115 * 0.25, abs=3)


@pytest.mark.parametrize("by", ["time", "hash", "group"])
def test_a_row_without_its_key_is_an_error(bench, by):
    data = bench.csv("holes.csv", "at,v\n" + "".join(f"{i if i % 5 else ''},{i}\n" for i in range(40)))

    with pytest.raises(DataError, match="8 rows have no place"):
        parts(bench, data, by=by, keys=["at"])
    assert len(bench.store.files.list("flow/datasets")) == 1


def test_values_that_are_all_different_cannot_be_stratified(bench):
    data = bench.csv("n.csv", "n\n" + "".join(f"{i}\n" for i in range(20)))

    with pytest.raises(DataError, match="each value of n is divided for itself"):
        parts(bench, data, stratify="n")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stratify": "origin"},
        {"by": "order"},
        {"by": "time", "keys": ["time_hour"]},
        {"by": "hash", "keys": ["origin", "time_hour"]},
    ],
)
def test_the_number_of_threads_changes_nothing(bench, data_folder, monkeypatch, fields):
    data = bench.dataset(str(data_folder / "nyc_weather.csv"))
    digests = []
    for threads in (1, 4):

        @contextmanager
        def connect_with(spill=None, threads=threads):
            with table.connect(spill) as connection:
                connection.execute(f"SET threads = {threads}")
                yield connection

        monkeypatch.setattr(split, "connect", connect_with)
        digests.append(bench.run(SplitSpec(data="d", **fields), {"data": data}).outputs)

    assert digests[0] == digests[1]


def test_by_hash_a_key_stays_on_its_side_when_data_grows(bench):
    few = bench.csv("few.csv", "id,v\n" + "".join(f"{i},{i}\n" for i in range(100)))
    more = bench.csv("more.csv", "id,v\n" + "".join(f"{i},{i}\n" for i in range(300)))

    before = set(parts(bench, few, by="hash", keys=["id"])["test"]["id"])
    after = set(parts(bench, more, by="hash", keys=["id"])["test"]["id"])

    assert before == {i for i in after if i < 100}


def test_no_row_is_copied_and_a_part_of_a_part_keeps_its_rows(bench, data_folder):
    data = bench.dataset(str(data_folder / "nyc_weather.csv"))

    half = bench.run(SplitSpec(data="d", test=0.5, by="order"), {"data": data}).outputs["train"]
    quarter = bench.run(SplitSpec(data="d", test=0.5, by="order"), {"data": half}).outputs["test"]
    shuffled = bench.run(SplitSpec(data="d", test=0.5, seed=7), {"data": half}).outputs

    sizes = {ref: sum(path.stat().st_size for path in bench.store.open(ref).files()) for ref in (data, half, quarter)}
    assert max(sizes[half], sizes[quarter]) < 2000 < sizes[data]
    whole = read_frame(bench.store, data)
    assert read_frame(bench.store, quarter).equals(whole.iloc[6529 : 6529 + 6529].reset_index(drop=True))
    both = pd.concat(read_frame(bench.store, ref) for ref in shuffled.values())
    assert len(both.drop_duplicates()) == len(whole.iloc[: half.rows].drop_duplicates())
    assert read_frame(bench.store, quarter, ["temp"]).columns.tolist() == ["temp"]


@pytest.mark.parametrize(
    ("fields", "leakage", "message"),
    [
        ({}, {"keys": ["origin"]}, r"3 values of origin are in 'train' and in 'test': EWR; JFK; LGA"),
        ({"by": "group", "keys": ["month"]}, {"keys": ["month"]}, None),
        ({}, {"timestamp": "time_hour"}, r"rows of 'train' are later than the first row of 'test'"),
        ({"by": "time", "keys": ["time_hour"], "validation": 0.1}, {"timestamp": "time_hour"}, None),
        ({}, {"rows": True}, None),
        ({}, {"keys": ["orign"]}, "has no column 'orign'"),
    ],
)
def test_what_the_parts_may_not_share_stops_the_split(bench, data_folder, fields, leakage, message):
    data = bench.dataset(str(data_folder / "nyc_weather.csv"))

    if message is None:
        parts(bench, data, leakage=leakage, **fields)
    else:
        with pytest.raises(DataError, match=message):
            parts(bench, data, leakage=leakage, **fields)
        assert len(bench.store.files.list("flow/datasets")) == 1


def test_equal_rows_in_two_parts_stop_the_split(bench):
    data = bench.csv("twice.csv", "a,b\n" + "1,2\n" * 40)

    with pytest.raises(DataError, match="1 rows are in 'train' and, equal in every column, in 'test'"):
        parts(bench, data, leakage={"rows": True})


def test_one_row_cannot_be_divided(bench):
    with pytest.raises(DataError, match="too few to split"):
        parts(bench, bench.csv("one.csv", "a,b\n1,2\n"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(10, 200), test=st.floats(0.15, 0.5), by=st.sampled_from(["random", "order"]))
def test_any_share_loses_no_row(bench, rows, test, by):
    data = bench.csv("n.csv", "n\n" + "".join(f"{i}\n" for i in range(rows)))

    found = parts(bench, data, test=test, by=by)

    assert sorted(pd.concat(found.values())["n"]) == list(range(rows))
    assert len(found["test"]) == pytest.approx(rows * test, abs=1)


def test_the_data_half_runs_on_s3(bucket, data_folder, tmp_path):
    content = (data_folder / "noaa_weather.csv").read_bytes()
    filesystem = fsspec.filesystem("s3")
    for part in (1, 2):
        filesystem.pipe_file(f"lake/raw/{part}.csv", content)
    bench = Bench(tmp_path)
    bench.store = Store(f"{bucket}/store")

    data = bench.dataset("s3://lake/raw/*.csv", incremental={"files": True})
    checked = bench.run(ValidateSpec(data="d", rules=["row_count == 36318"]), {"data": data})
    found = parts(bench, data, by="order", test=0.5)

    assert checked.verdict.status == "passed"
    assert found["train"].equals(found["test"])
    assert latest_version(bench.store, "flow", "split.test").ref.rows == 18159
    filesystem.pipe_file("lake/raw/2.csv", content[:-1] + b"1")
    again = bench.run(IngestSpec(source="s3://lake/raw/*.csv", incremental={"files": True}), run_id="later")
    assert again.metrics == {"rows": 54477.0, "new_rows": 18159.0}
    assert find_garbage(bench.store, "flow") == []
    assert len(find_garbage(bench.store, "flow", grace=timedelta(0))) == 0
