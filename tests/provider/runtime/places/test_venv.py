"""Phases in a virtual environment of their own: the same record, and nothing is left of one whose task has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.provider.runtime.places.conftest import EXTRA, Runner, alike

from mlops_dag_factory.spec import IngestSpec, SplitSpec, TransformSpec, ValidateSpec
from mlops_provider.exceptions import CheckpointBlockedError, ConfigError, PlaceError, WorkFailedError
from mlops_provider.runtime.places.environments import environment_key, ready_environment
from mlops_provider.runtime.places.venv import VenvPlace
from mlops_provider.runtime.records import run_records
from mlops_provider.runtime.table import read_frame

MODULES = Path(__file__).with_name("modules")
PARTS = {"allowed_imports": ("place_parts",)}
ROWS = "a\n1\n2\n"


@pytest.fixture
def place(environments, monkeypatch):
    monkeypatch.syspath_prepend(str(MODULES))
    return VenvPlace(environments, EXTRA)


@pytest.fixture
def there(bench, place):
    return Runner(bench, place)


def test_the_records_are_those_of_the_worker(there, inline_records):
    records = there.whole()

    assert {name: alike(record) for name, record in records.items()} == {
        name: alike(record) for name, record in inline_records.items()
    }
    key = environment_key(EXTRA, "")
    assert records["model"]["place"] == {"runtime": "venv", "environment": key, "requirements": EXTRA}
    assert records["parts"]["usage"]["peak_memory_mib"] < records["model"]["usage"]["peak_memory_mib"]
    assert any("training sklearn.tree" in line for line in there.said)


def test_a_function_has_its_libraries_and_its_secrets_and_nobody_sees_them(bench, place):
    place.variables = {"MODE": "dry"}
    there = Runner(bench, place)
    spec = TransformSpec(data="n", python="place_parts:describe")
    data = bench.csv("n.csv", ROWS)

    found = there.run(spec, "told", {"data": data}, variables={"LAKE_TOKEN": "s3cr3t-of-the-lake"}, **PARTS)

    [row] = read_frame(bench.store, found.outcome.outputs["data"]).to_dict("records")
    assert (row["seen"], row["mode"]) == (False, "dry")
    assert row["prefix"].startswith(str(place.root))
    assert "told by 1.2 million" in there.said
    everything = b"".join(path.read_bytes() for path in bench.root.rglob("*") if path.is_file())
    assert b"s3cr3t-of-the-lake" not in everything
    assert "s3cr3t" not in "".join(there.said)


def test_errors_are_what_they_are_in_the_worker(bench, there):
    data = bench.csv("n.csv", ROWS)
    strict = ValidateSpec(data="n", columns={"a": {"maximum": 1}})

    with pytest.raises(CheckpointBlockedError, match="check is blocked: a"):
        there.run(strict, "check", {"data": data})
    with pytest.raises(WorkFailedError, match=r"nowhere.csv' does not exist"):
        there.run(IngestSpec(source="nowhere.csv"), "rows")
    with pytest.raises(PlaceError, match="the lake is dry"):
        there.run(TransformSpec(data="n", python="place_parts:fail"), "dry", {"data": data}, **PARTS)
    statuses = {record["phase"]: record["status"] for record in run_records(bench.store, "flow", "run-1")}
    assert (statuses["check"], statuses["rows"], statuses["dry"]) == ("blocked", "failed", "failed")


def test_where_the_cache_hits_nothing_is_started(bench, there):
    spec, data = SplitSpec(data="n", test=0.5), bench.csv("n.csv", ROWS)
    first = there.run(spec, "parts", {"data": data}, cache=True)
    there.place._child = None

    again = there.run(spec, "parts", {"data": data}, cache=True, run_id="run-2")
    in_worker = Runner(bench).run(spec, "parts", {"data": data}, cache=True, run_id="run-3")

    assert there.place._child is None
    assert again.outcome.outputs == first.outcome.outputs
    [record] = run_records(bench.store, "flow", "run-2")
    assert record["cache"] == {"hit": True, "why": record["cache"]["why"]}
    assert in_worker.outcome.outputs == first.outcome.outputs
    assert not run_records(bench.store, "flow", "run-3")[0]["cache"]["hit"]  # with other libraries it is other work


def test_requirements_that_are_not_exact_are_never_believed(bench, place):
    place.requirements = ["humanize>=4"]

    assert "'humanize>=4' is not exact" in place.environment().never


@pytest.mark.parametrize(
    ("requirements", "python", "message"),
    [
        (["no-such-library-of-ours==1.0"], "", "no-such-library-of-ours"),
        (["rm -rf /"], "", "is not a requirement"),
        ([], "3.99", "Python 3.99 is not on this machine"),
    ],
)
def test_an_environment_that_cannot_be_made_is_explained(bench, tmp_path, requirements, python, message):
    place = VenvPlace(tmp_path / "environments", requirements, python)

    with pytest.raises(ConfigError, match=message):
        Runner(bench, place).run(IngestSpec(source="sklearn:iris"), "rows")

    [record] = run_records(bench.store, "flow", "run-1")
    assert record["status"] == "failed"
    assert message in record["error"]["message"]
    assert not list((tmp_path / "environments").glob("*/.ready"))


TASK = """
import sys
from pathlib import Path
from tests.provider.conftest import Bench
from tests.provider.runtime.places.conftest import Runner
from mlops_dag_factory.spec import TransformSpec
from mlops_provider.runtime.places.venv import VenvPlace
sys.path.insert(0, {modules!r})
bench = Bench(Path({root!r}))
place = VenvPlace(Path({environments!r}), {extra!r}, variables={{"PIDS": {pids!r}}})
spec = TransformSpec(data="n", python="place_parts:linger")
Runner(bench, place).run(spec, "slow", {{"data": bench.csv("n.csv", {rows!r})}}, allowed_imports=("place_parts",))
"""


@pytest.mark.kill
@pytest.mark.parametrize("how", [signal.SIGKILL, None])
def test_nothing_is_left_of_a_phase_whose_task_is_killed(bench, place, how, tmp_path):
    pids = tmp_path / "pids"
    text = TASK.format(
        modules=str(MODULES), root=str(bench.root), environments=str(place.root), extra=EXTRA, pids=str(pids), rows=ROWS
    )
    if how is None:
        place.variables = {"PIDS": str(pids)}
        spec, data = TransformSpec(data="n", python="place_parts:linger"), bench.csv("n.csv", ROWS)
        runner = Runner(bench, place)
        task = threading.Thread(target=ended, args=(runner, spec, data))
        task.start()
    else:
        task = subprocess.Popen([sys.executable, "-c", text], cwd=Path(__file__).parents[4])
    while not pids.exists():
        time.sleep(0.05)

    place.kill() if how is None else task.kill()

    running = [int(pid) for pid in pids.read_text().split()]
    while any(alive(pid) for pid in running):
        time.sleep(0.05)
    task.join() if how is None else task.wait()


class OutOfTimeError(BaseException):
    """As Airflow raises it, from a signal."""


def test_nothing_is_left_of_a_phase_whose_time_is_over(bench, place, tmp_path):
    pids = tmp_path / "pids"
    place.variables = {"PIDS": str(pids)}

    def over(number, frame):
        if not pids.exists():
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            return
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    spec, data = TransformSpec(data="n", python="place_parts:linger"), bench.csv("n.csv", ROWS)
    with pytest.raises(OutOfTimeError):
        Runner(bench, place).run(spec, "slow", {"data": data}, **PARTS)
    signal.signal(signal.SIGALRM, before)

    while any(alive(int(pid)) for pid in pids.read_text().split()):
        time.sleep(0.05)


def ended(runner, spec, data):
    with pytest.raises(PlaceError, match="was killed"):
        runner.run(spec, "slow", {"data": data}, **PARTS)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_environment_that_was_cut_short_is_made_again(tmp_path):
    folder = tmp_path / environment_key([], "")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("half")
    said = []

    interpreter = ready_environment(tmp_path, [], "", said.append)

    done = subprocess.run([interpreter, "-c", "import mlops_provider.runtime.phase"], check=False, env={**os.environ})
    assert done.returncode == 0
    assert len(said) == 1
