"""Where phases run, in a whole run of a workflow: tasks of their own, groups, trials."""

from __future__ import annotations

import json

import pytest
from tests.api_server import NAMESPACE, api_server, kube_config
from tests.dag_factory.local.commands import mlops
from tests.provider.runtime.places.kubelet import Cluster

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


POD = "image: registry.example.com/training@sha256:1, conn_id: cluster, startup_timeout: 30s"
IN_PODS = f"""
workflow: mini
phases:
  rows: {{type: ingest, source: "sklearn:iris", resources: {{runtime: kubernetes, {POD}}}}}
  checked:
    type: validate
    data: rows
    rules: ["row_count > 1000"]
    on_fail: skip
    resources: {{runtime: kubernetes, {POD}}}
  parts: {{type: split, data: checked}}
"""


@pytest.mark.timeout(300)
def test_tasks_in_pods_defer_and_come_back_with_what_they_returned(tmp_path):
    (tmp_path / "mini.yaml").write_text(IN_PODS)
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: {containers: [{name: base}]}\n")
    with api_server(Cluster) as (cluster, url):
        extra = {"kube_config": json.dumps(kube_config(url)), "namespace": NAMESPACE}
        variables = {
            "AIRFLOW_CONN_CLUSTER": json.dumps({"conn_type": "kubernetes", "extra": extra}),
            "AIRFLOW__MLOPS__POD_TEMPLATE": str(tmp_path / "pod.yaml"),
        }
        done = mlops(tmp_path, "run", "mini.yaml", **variables)

    [log] = [line.partition("log: ")[2] for line in done.stdout.splitlines() if "log: " in line]
    assert done.returncode == 0, (tmp_path / log).read_text()[-3000:]
    store = Store(tmp_path / ".mlops/run/store")
    [run_id] = list_runs(store, "mini")
    records = {record["phase"]: record for record in run_records(store, "mini", run_id)}
    assert {name: record["place"]["runtime"] for name, record in records.items()} == {
        "rows": "kubernetes",
        "checked": "kubernetes",
    }
    assert (records["checked"]["status"], len(cluster.started)) == ("blocked", 2)
