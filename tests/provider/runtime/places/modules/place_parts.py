"""The user's own functions: importable by the worker from its path, as from a DAGs folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa


def describe(table):
    """Use a library that only the environment has, and a secret; say what other processes could see of it."""
    import humanize

    print(f"told by {humanize.intword(1_200_000)}")  # noqa: T201 (what a function prints is in the log)
    token = os.environ["LAKE_TOKEN"].encode()
    seen = token in Path("/proc/self/cmdline").read_bytes() + Path("/proc/self/environ").read_bytes()
    return pa.table({"seen": [seen], "mode": [os.environ["MODE"]], "prefix": [sys.prefix]})


def linger(table):
    """Say which processes run, then wait."""
    inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pids = Path(os.environ["PIDS"])
    pids.with_suffix(".part").write_text(f"{os.getpid()} {inner.pid}")
    pids.with_suffix(".part").rename(pids)
    time.sleep(60)
    return table


def fail(table):
    raise RuntimeError("the lake is dry")


def look_around(table):
    """Say who runs this, what it can write and what other processes could see of its secret."""
    token = os.environ["LAKE_TOKEN"].encode()
    first = Path("/proc/1/cmdline").read_bytes() + Path("/proc/1/environ").read_bytes()
    written = [place for place in ("/", "/etc", "/opt/mlops", os.environ["DATA"], "/tmp") if can_write(place)]
    threads = int(os.environ["OMP_NUM_THREADS"])
    data = Path(os.environ["DATA"])
    there = {
        "data": [[name for name in ("code", "home") if (data / name).is_dir()]],
        "home": [[path.name for path in (data / "home").iterdir()]],
    }
    told = {"user": [os.getuid()], "seen": [token in first], "written": [written], "threads": [threads]}
    return pa.table(told | {name: pa.array(values, pa.list_(pa.string())) for name, values in there.items()})


def can_write(place):
    try:
        Path(place, "mark").write_text("x")
    except OSError:
        return False
    return True


def hoard(table):
    return pa.table({"kept": [len(bytearray(os.urandom(1 << 20) * 4096))]})
