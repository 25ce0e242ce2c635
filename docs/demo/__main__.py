"""`make demo`: the whole closed loop on this machine, with embedded defaults.

`--keep` leaves Airflow and the model server running. The exit code says whether all of it happened.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console
from story import DAG, MONITOR, Story

from mlops_dag_factory.local.airflow import LocalAirflow
from mlops_dag_factory.local.home import LocalHome
from mlops_dag_factory.local.server import LocalServer

ROOT = Path(__file__).resolve().parents[2]
PIDS = "running"
PROGRAM = Path(sys.executable).with_name("mlops")


def still_running(file: Path) -> str:
    """Give the process groups of a demo that was kept and still runs, as `kill` takes them."""
    groups = file.read_text().split() if file.exists() else []
    alive = []
    for group in groups:
        try:
            os.killpg(-int(group), 0)
        except ProcessLookupError:
            continue
        alive.append(group)
    return " ".join(alive)


def main() -> int:
    """Start everything, tell the story, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--home", type=Path, default=ROOT / ".mlops" / "demo", help="folder of everything it makes")
    options = parser.parse_args()
    console, home, keep = Console(), LocalHome(options.home.absolute()), options.keep
    if running := still_running(home.root / PIDS):
        console.print(f"An earlier demo still runs here. Stop it with: kill -- {running}")
        return 1
    shutil.rmtree(home.root, ignore_errors=True)
    home.create()
    for name in ("camera", "breast_cancer"):
        home.add(ROOT / "dags" / "workflows" / f"{name}.yaml")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever ends it ends what it started
    airflow, server = LocalAirflow(home), LocalServer(home)
    story: Story | None = None
    started = time.monotonic()
    try:
        console.print("[bold]Starting Airflow and the model server[/]")
        with ThreadPoolExecutor() as pool:
            for job in [pool.submit(airflow.start), pool.submit(server.start)]:
                job.result()
        for dag_id in (DAG, MONITOR):
            airflow.wait_for_dag(dag_id)
        console.print(f"  Airflow {airflow.url}   model server {server.url}")
        story = Story(airflow, server, console, started)
        happened = story.tell()
    finally:
        if story:
            console.print()
            console.print(story.table())
        if not keep:
            server.stop()
            airflow.stop()
    console.print(
        f"\n[bold]{'It all happened' if happened else 'Not all of it happened'}[/], {time.monotonic() - started:.0f} s."
    )
    if keep:
        console.print(f"Airflow      {airflow.url}   admin / {airflow.password('admin')}")
        console.print(f"Model server {server.url}/{DAG}/production")
        groups = f"-{airflow.group.process.pid} -{server.group.process.pid}"
        (home.root / PIDS).write_text(groups)
        console.print(f"Stop both with: kill -- {groups}")
    console.print(f"Records      {home.store}/{DAG}/runs", soft_wrap=True)
    console.print(f"             {PROGRAM} runs list --store {home.store}", soft_wrap=True)
    console.print(f"             {PROGRAM} monitor explain {DAG} --store {home.store}", soft_wrap=True)
    console.print(f"Reports      {home.store}/{DAG}/reports", soft_wrap=True)
    return 0 if happened else 1


if __name__ == "__main__":
    sys.exit(main())
