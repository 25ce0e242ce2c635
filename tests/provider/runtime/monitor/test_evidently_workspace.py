"""The checks of a monitor in a workspace of Evidently's: its own classes read them, with the scores of all rows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import httpx
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.comparison import Wanted, compare_columns
from mlops_provider.runtime.evidently_drift import SAMPLE_ROWS, keep_rows
from mlops_provider.runtime.monitor.deciding.decisions import decisions_key
from mlops_provider.runtime.table import connect
from mlops_provider.store.documents import write_document
from mlops_provider.store.store import Store

KINDS = {"price": "number", "<b>region</b>": "category"}


@pytest.fixture
def checked(tmp_path):
    """A store with three decisions: of two checks that compared 20,000 rows, and of one that compared nothing."""
    store = Store(str(tmp_path / "store"))
    generator = np.random.default_rng(0)
    sides = [
        pd.DataFrame(
            {"price": generator.normal(moved, 1, 20_000), "<b>region</b>": generator.choice(["a", "<i>b"], 20_000)}
        )
        for moved in (0, 0.05, 3)
    ]
    profiles = []
    for side in sides:
        centres = {name: one.centre for name, one in profiles[0].items()} if profiles else None
        with connect() as connection:
            connection.register("side", side)
            profiles.append(profile_columns(connection, "side", KINDS, centres))
    scores = []
    for number, (side, profile) in enumerate(zip(sides[1:], profiles[1:], strict=True)):
        compared = compare_columns(profiles[0], profile, KINDS, default=Wanted())
        scores.append(compared.scores)
        with store.scratch() as folder:
            keep_rows(folder, sides[0], side, compared, profiles[0], profile)
            (folder / "report.json").write_text("{}")
            uri = store.publish("flow", "reports", folder, {}).uri
        _decide(store, number, uri)
    _decide(store, 2, "")
    return store, scores


def _decide(store, number, uri):
    entry = {"id": f"check-{number}", "at": f"2026-01-0{number + 1}T06:00:00+00:00", "status": "passed", "report": uri}
    write_document(store, decisions_key("flow", "production"), entry, after=number)


def call(store, folder):
    command = ["monitor", "evidently", "flow", "--workspace", str(folder), "--store", store.url, "--json"]
    done = CliRunner().invoke(mlops, command)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_evidentlys_own_workspace_lists_the_checks_once_with_the_scores_of_all_rows(checked, tmp_path):
    from evidently.ui.workspace import Workspace

    store, scores = checked

    first, again = call(store, tmp_path / "space"), call(store, tmp_path / "space")

    assert (first["added"], first["present"], first["without"]) == (2, 0, 1)
    assert (again["added"], again["present"], again["without"]) == (0, 2, 1)
    workspace = Workspace(str(tmp_path / "space"))
    [project] = workspace.list_projects()
    assert project.name == "flow/production"
    runs = sorted((workspace.get_run(project.id, run) for run in workspace.list_runs(project.id)), key=lambda r: r.name)
    assert [run.name for run in runs] == ["2026-01-01 06:00", "2026-01-02 06:00"]
    for run, expected in zip(runs, scores, strict=True):
        found = {str(result.display_name): result.value for result in run.metric_results.values()}
        assert found["Value drift for price"] == pytest.approx(expected["price"])
    assert scores[0]["price"] != scores[1]["price"]
    assert SAMPLE_ROWS < 20_000
    assert "<b>" not in "".join(found)


def test_an_export_that_was_killed_within_a_run_is_completed_by_the_next(checked, tmp_path):
    store, _ = checked
    call(store, tmp_path / "space")
    whole = sorted((tmp_path / "space").rglob("snapshots/*.json"))
    whole[0].write_bytes(whole[0].read_bytes()[:100])

    again, after = call(store, tmp_path / "space"), call(store, tmp_path / "space")

    assert (again["added"], again["present"]) == (1, 1)
    assert (after["added"], after["present"]) == (0, 2)
    assert len(list((tmp_path / "space").rglob("snapshots/*.json"))) == 2


@pytest.fixture
def evidently_ui(checked, tmp_path):
    """Start Evidently's own UI over the exported workspace; give its address."""
    call(checked[0], tmp_path / "space")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(tmp_path / "space")]
    ui = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            httpx.get(url, timeout=5)
            break
        except httpx.TransportError:
            assert ui.poll() is None, "Evidently's UI has ended"
            time.sleep(0.5)
    yield url
    ui.terminate()
    ui.wait(30)


def test_evidentlys_own_ui_opens_the_workspace_and_shows_each_check(evidently_ui):
    [project] = httpx.get(f"{evidently_ui}/api/projects/").json()
    runs = httpx.get(f"{evidently_ui}/api/projects/{project['id']}/reports").json()

    assert project["name"] == "flow/production"
    assert sorted(run["name"] for run in runs) == ["2026-01-01 06:00", "2026-01-02 06:00"]
    for run in runs:
        shown = httpx.get(f"{evidently_ui}/api/projects/{project['id']}/{run['id']}/data", timeout=30)
        assert shown.status_code == 200
        assert "Wasserstein distance (normed), of all 20,000 rows" in shown.text
