"""Pieces of the log under load: many tasks, a killed one, two at once, a million rows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.provider.runtime.monitor.test_window_baselines import DRIFT, NOON, Stream

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.runtime.columns.files import read_profiles
from mlops_provider.runtime.monitor.about import PROFILES_FILE, read_about
from mlops_provider.runtime.monitor.windows.segments import WHOLE, unflat
from mlops_provider.runtime.phase import run_phase
from mlops_provider.store.store import Store

FIELDS = {"window": {"size": "6h", "kept": 100}, "checks": DRIFT, "baseline": {"rolling": "12h"}, "segments": ["kind"]}
READING = """
import json, os, signal, sys
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.monitor import window
from mlops_provider.store.filesystem import LocalFiles
config, context, after = json.loads(sys.argv[1]), RunContext.from_dict(json.loads(sys.argv[2])), int(sys.argv[3])
create, made = LocalFiles.create, []
def dying(self, key, content):
    made.append(key)
    if len(made) == after:
        self._write_aside(key, content)
        os.kill(os.getpid(), signal.SIGKILL)
    return create(self, key, content)
if after: LocalFiles.create = dying
outcome = window.run(MonitorSpec(**config), {}, context)
peak = [int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({"digest": outcome.outputs["profile"].digest, "uri": outcome.outputs["profile"].uri, "mb": peak[0]}))
"""


def start(service, fields, *, after=0, at=NOON, **environment):
    """Read the window in a process of its own, which kills itself at the so-maniest file that it creates."""
    config = MonitorSpec(**fields).model_dump(mode="json", exclude_defaults=True)
    context = service.bench.context("window", "monitor.window", at=at.isoformat()).to_dict()
    arguments = [json.dumps(config), json.dumps(context), str(after)]
    return subprocess.Popen([sys.executable, "-c", READING, *arguments], stdout=subprocess.PIPE, text=True)


def given(process):
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(text.splitlines()[-1])


def streaming(bench, watched):
    bench.tracking_uri = ""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"height": random.normal(0, 1, 400), "kind": random.choice(["calm", "wild"], 400)})
    frame["target"] = (frame["height"] > 0).astype(int)
    frame.to_csv(bench.root / "heights.csv", index=False)
    return Stream(watched("heights.csv"))


@pytest.fixture
def stream(bench, watched):
    found = streaming(bench, watched)
    found.hours(NOON - timedelta(hours=18), NOON)
    return found


def test_pieces_may_be_in_an_object_store(bench, watched, bucket):
    bench.store = Store(f"{bucket}/store")
    stream, files = streaming(bench, watched), bench.store.files
    stream.hours(NOON - timedelta(hours=5), NOON)
    for file in list((bench.root / "store").rglob("*.parquet")):
        files.upload(file.parent.relative_to(bench.root / "store").as_posix(), [file], file.parent)
    fields = {"window": {"size": "3h", "kept": 100}, "checks": DRIFT, "baseline": {"rolling": "2h"}}

    first, _, _ = stream.look(**fields)
    made = dict(files.walk("flow/monitor/production/pieces"))
    second, _, _ = stream.look(**fields)

    assert sum(not key.endswith(".rows.parquet") for key in made) == 5
    assert dict(files.walk("flow/monitor/production/pieces")) == made
    assert first.outputs["profile"].digest == second.outputs["profile"].digest
    assert first.metrics["rows"] == 180


def test_mapped_tasks_make_the_pieces_and_the_window_is_the_same(stream):
    alone, _, _ = stream.look(**FIELDS)
    made = {piece.relative_to(stream.service.bench.root): piece.read_bytes() for piece in stream.pieces()}
    for piece in stream.pieces():
        piece.unlink()
    spec = MonitorSpec(**{**FIELDS, "window": {**FIELDS["window"], "tasks": 4}})

    hours = []
    for part in range(4):
        context = stream.service.bench.context("hours", "monitor.hours", at=NOON.isoformat(), item={"part": part})
        hours.append(run_phase(spec, {}, context).outcome.metrics)
    again = {piece.relative_to(stream.service.bench.root): piece.read_bytes() for piece in stream.pieces()}
    together, _, _ = stream.look(**FIELDS)

    assert sum(part["hours"] for part in hours) == 18
    assert max(part["hours"] for part in hours) <= 6
    assert again == made
    assert together.outputs["profile"].digest == alone.outputs["profile"].digest


@pytest.mark.kill
def test_a_window_that_was_killed_while_it_wrote_pieces_goes_on(stream):
    clean, _, _ = stream.look(**FIELDS)
    whole = {piece.name: piece.read_bytes() for piece in stream.pieces()}
    for piece in stream.pieces():
        piece.unlink()

    for after in (2, 9):
        process = start(stream.service, FIELDS, after=after)
        process.communicate(timeout=300)
        assert process.returncode == -9
    left = {piece.name: piece.read_bytes() for piece in stream.pieces()}
    again, _, _ = stream.look(**FIELDS)

    assert 0 < len(left) < len(whole)
    assert left.items() <= whole.items(), "what is there is whole"
    assert again.outputs["profile"].digest == clean.outputs["profile"].digest


def test_two_monitors_that_make_the_same_pieces_at_once_give_the_same_window(stream):
    first, second = [given(process) for process in [start(stream.service, FIELDS) for _ in range(2)]]

    assert first["digest"] == second["digest"]
    assert len(stream.pieces()) == 18


@pytest.fixture
def wide(bench, watched):
    """A service with twenty features, and a million rows in a day of its log."""
    bench.tracking_uri = ""
    random = np.random.default_rng(3)
    names = [f"f{number:02d}" for number in range(20)]
    frame = pd.DataFrame(random.normal(size=(400, 20)), columns=names)
    frame.assign(target=(frame["f00"] > 0).astype(int)).to_csv(bench.root / "wide.csv", index=False)
    service = watched("wide.csv")
    rows = 1_000_000 // 24
    for hour in range(24):
        at = NOON - timedelta(hours=24 - hour)
        start_us = int(at.timestamp() * 1e6)
        table = {
            "request_id": pa.array(np.char.add(f"r-{hour}-", np.arange(rows).astype(str))),
            "row": np.zeros(rows, dtype="int32"),
            "ts": pa.array(start_us + np.arange(rows) * 80_000).cast(pa.timestamp("us", "UTC")),
            "version": pa.DictionaryArray.from_arrays(np.zeros(rows, dtype="int32"), ["1"]),
            "role": pa.DictionaryArray.from_arrays(np.zeros(rows, dtype="int32"), ["primary"]),
            "prediction": random.integers(0, 2, rows),
            "probability": random.random(rows),
            "latency_ms": random.random(rows),
            "status": np.full(rows, 200, dtype="int16"),
            **{f"x_{name}": random.normal(size=rows) for name in names},
        }
        folder = service.folder(at)
        folder.mkdir(parents=True)
        pq.write_table(pa.table(table), folder / "log.parquet")
    return service


def test_a_million_rows_are_profiled_in_bounded_memory(wide, monkeypatch):
    monkeypatch.setenv("MLOPS_ENGINE_MEMORY", "256MB")

    found = given(start(wide, {"window": {"size": "24h"}, "checks": DRIFT}))

    folder = Store(wide.bench.store.url).files.path(wide.bench.store.key(found["uri"]))
    about, profiles = read_about(folder), unflat(read_profiles(folder / PROFILES_FILE))[WHOLE]
    assert (about.rows, about.kept) == (999_984, 20_000)
    assert {profile.rows for profile in profiles.values()} == {999_984}
    assert abs(profiles["f07"].mean) < 0.01
    assert profiles["f07"].deviation == pytest.approx(1, abs=0.01)
    assert found["mb"] < 700, "the rows alone are 240 MB, as objects of Python some GB"
