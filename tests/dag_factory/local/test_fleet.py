"""Fifty models from one definition: a gate and a champion for each, one summary, in one real run."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from tests.dag_factory.local.commands import mlops

from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime import tracking
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model
from mlops_provider.store.store import Store

WORKFLOW = """
workflow: fleet
parameters:
  cells: {{type: list, default: {cells}}}
phases:
  rows: {{type: ingest, source: weather.csv}}
  cell:
    type: transform
    foreach: {{cell: "{{{{ params.cells }}}}"}}
    data: rows
    sql: "select * exclude (cell) from data where cell = '{{{{ item.cell }}}}'"
  parts: {{type: split, foreach: {{cell: "{{{{ params.cells }}}}"}}, data: cell, test: 0.3}}
  model:
    type: train
    foreach: {{cell: "{{{{ params.cells }}}}"}}
    data: parts.train
    target: warm
    estimator: sklearn.linear_model.LogisticRegression
    parameters: {{max_iter: 500}}
  quality:
    type: evaluate
    foreach: {{cell: "{{{{ params.cells }}}}"}}
    model: model
    data: parts.test
    name: "fleet-{{{{ item.cell }}}}"
    gates: ["accuracy >= 0.95", "accuracy >= champion.accuracy"]
    slices: none
    on_fail: {on_fail}
  version:
    type: register
    foreach: {{cell: "{{{{ params.cells }}}}"}}
    model: model
    name: "fleet-{{{{ item.cell }}}}"
    after: quality
"""


def write(folder, data_folder, count, on_fail="stop", gone=()):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    frame["cell"] = frame["origin"] + "-" + frame["hour"].astype(str)
    cells = sorted(frame["cell"].unique())[:count]
    frame["warm"] = (frame["temp"] > 55).astype(int)
    frame = frame[["cell", "dewp", "humid", "pressure", "wind_speed", "month", "warm"]].dropna()
    broken = frame["cell"] == cells[3]
    frame.loc[broken, "warm"] = frame.loc[broken, "warm"].sample(frac=1, random_state=0).to_numpy()
    frame[frame["cell"].isin(cells)].to_csv(folder / "weather.csv", index=False)
    wanted = [*cells, *gone]
    (folder / "fleet.yaml").write_text(WORKFLOW.format(cells=json.dumps(wanted), on_fail=on_fail))
    return cells


class Run:
    """A run by `mlops run`: its exit code, its text, its records by phase."""

    def __init__(self, folder):
        done = mlops(folder, "run", "fleet.yaml")
        self.returncode, self.text = done.returncode, done.stdout + done.stderr
        self.store = Store(folder / ".mlops/run/store")
        runs = sorted((folder / ".mlops/run/store/fleet/runs").iterdir(), key=lambda path: path.stat().st_mtime)
        self.records = {path.parent.name: json.loads(path.read_text()) for path in sorted(runs[-1].glob("*/*.json"))}
        self.summary = self.records["version.summary"]
        report = self.store.open(ref_from_dict(self.summary["outputs"]["report"]))
        self.report = json.loads((report.folder / "report.json").read_text())
        self.page = (report.folder / "report.html").read_text()
        self.items = {item["label"]: item for item in self.report["items"]}


@pytest.fixture(scope="module")
def fifty(tmp_path_factory, data_folder):
    folder = tmp_path_factory.mktemp("fifty")
    cells = write(folder, data_folder, 50)
    run = Run(folder)
    return folder, cells, run


@pytest.mark.timeout(600)
def test_fifty_models_are_judged_each_by_its_own_gate_and_a_blocked_one_stops_no_other(fifty):
    _, cells, run = fifty

    assert run.returncode == 0, run.text
    assert set(run.items) == set(cells)
    assert run.items[cells[3]]["status"] == "blocked"
    assert 1 < sum(item["status"] == "passed" for item in run.items.values()) < 49
    assert "accuracy >= 0.95 does not hold" in run.items[cells[3]]["why"]
    for cell in cells:
        quality = run.records[f"quality@{cell}"]
        holds = quality["metrics"]["accuracy"] >= 0.95
        assert run.items[cell]["status"] == ("passed" if holds else "blocked")
        assert (f"version@{cell}" in run.records) is holds  # what follows a blocked item is left out for it only
        assert run.items[cell]["metrics"]["accuracy"] == quality["metrics"]["accuracy"]
        assert run.items[cell]["rows"] == quality["inputs"]["data"][0]["rows"]


def test_the_summary_counts_and_its_page_has_the_worst_first(fifty):
    _, cells, run = fifty

    passed = sum(item["status"] == "passed" for item in run.items.values())
    assert run.summary["metrics"] == {
        "items": 50, "succeeded": passed, "passed": passed, "blocked": 50 - passed, "failed": 0, "skipped": 0,
    }  # fmt: skip
    assert f"{passed} of 50 items succeeded ({passed} passed, {50 - passed} blocked)." in run.summary["summary"]
    order = [item["label"] for item in run.report["items"]]
    assert order == sorted(
        cells, key=lambda cell: (run.items[cell]["status"] != "blocked", run.items[cell]["metrics"]["accuracy"], cell)
    )
    assert run.page.index(f"<td>{order[0]}<td") < run.page.index(f"<td>{order[-1]}<td")
    assert "http" not in run.page


def test_every_model_learned_from_its_own_rows_and_is_registered_under_its_own_name(fifty):
    _, cells, run = fifty
    frame = read_frame(run.store, ref_from_dict(run.records["rows"]["outputs"]["data"]))

    cell = next(cell for cell in cells if run.items[cell]["status"] == "passed")
    assert (run.items[cell]["name"], run.items[cell]["version"]) == (f"fleet-{cell}", "1")
    parts = run.records[f"parts@{cell}"]["outputs"]
    assert parts["train"]["rows"] + parts["test"]["rows"] == (frame["cell"] == cell).sum()
    model = load_model(run.store, ref_from_dict(run.records[f"model@{cell}"]["outputs"]["model"]))
    test = read_frame(run.store, ref_from_dict(parts["test"]))
    assert (model.predict(test) == test["warm"]).mean() == pytest.approx(run.items[cell]["metrics"]["accuracy"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("on_fail", ["stop", "skip"])
def test_every_item_has_its_own_champion_and_one_that_fails_is_told(tmp_path, data_folder, on_fail):
    cells = write(tmp_path, data_folder, 4, on_fail, gone=["Nowhere-1"])
    first = Run(tmp_path)
    good = [cell for cell in cells if first.items[cell]["status"] == "passed"]
    uri = f"sqlite:///{tmp_path / '.mlops/run/mlops/mlflow.db'}"
    tracking.set_alias(uri, f"fleet-{good[0]}", tracking.CHAMPION, "1")

    second = Run(tmp_path)

    assert second.returncode == 0, second.text
    assert second.items[good[0]]["champion"] == second.items[good[0]]["metrics"]  # it is the same model
    assert all(second.items[cell]["champion"] == {} for cell in good[1:])
    assert second.items[cells[3]]["status"] == "blocked"
    assert second.items["Nowhere-1"]["status"] == "failed"
    assert second.items["Nowhere-1"]["why"].startswith("cell: ")
    assert second.report["items"][0]["label"] == "Nowhere-1"
    assert second.summary["metrics"]["failed"] == second.summary["metrics"]["blocked"] == 1


@pytest.mark.timeout(300)
def test_where_no_item_passes_the_run_fails_and_the_page_is_there(tmp_path, data_folder):
    write(tmp_path, data_folder, 4)
    text = (tmp_path / "fleet.yaml").read_text()
    (tmp_path / "fleet.yaml").write_text(text.replace("accuracy >= 0.95", "accuracy >= 2"))

    run = Run(tmp_path)

    assert run.returncode == 1
    assert "no item of 'version' succeeded: 4 blocked" in " ".join(run.text.split())
    assert run.summary["status"] == "failed"
    assert {item["status"] for item in run.items.values()} == {"blocked"}
