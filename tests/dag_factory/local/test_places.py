"""Where phases run, in a whole run of a workflow: tasks of their own, groups, trials."""

from __future__ import annotations

import pytest
from tests.dag_factory.local.commands import mlops

from mlops_provider.runtime.records import list_runs, run_records
from mlops_provider.store.store import Store

WORKFLOW = """
workflow: mini
defaults: {resources: {runtime: venv}}
phases:
  rows: {type: ingest, source: "sklearn:iris", resources: {runtime: inline}}
  parts: {type: split, data: rows, stratify: target, group: prepared}
  checked: {type: validate, data: parts.train, rules: ["row_count > 100"], group: prepared}
  model:
    type: train
    data: parts.train
    target: target
    estimator: sklearn.tree.DecisionTreeClassifier
    tune: {trials: tasks, workers: 1, space: {max_depth: [1, 3]}}
    after: checked
"""


@pytest.mark.timeout(300)
def test_groups_and_trials_run_where_the_defaults_say(tmp_path):
    (tmp_path / "mini.yaml").write_text(WORKFLOW)

    done = mlops(tmp_path, "run", "mini.yaml", "--approve")

    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(tmp_path / ".mlops/run/store")
    [run_id] = list_runs(store, "mini")
    records = {record["phase"]: record for record in run_records(store, "mini", run_id)}
    places = {phase: record["place"]["runtime"] for phase, record in records.items()}
    assert places.pop("rows") == "inline"
    assert set(places) == {"parts", "checked", "model.trial@1", "model"}
    assert set(places.values()) == {"venv"}
    assert records["model.trial@1"]["metrics"] == {"trials": 2.0}
    [log] = [line.partition("log: ")[2] for line in done.stdout.splitlines() if "log: " in line]
    assert "making the environment" in (tmp_path / log).read_text()
