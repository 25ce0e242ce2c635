"""A workflow whose services run in a cluster: Airflow's own machinery defers, triggers and resumes its tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.api_server import NAMESPACE, api_server, kube_config

from mlops_provider.store.placements import read_placement
from mlops_provider.store.services import read_service
from mlops_provider.store.store import Store

WORKFLOW = """
workflow: iris
phases:
  flowers:   {type: ingest, source: "sklearn:iris"}
  model:     {type: train, data: flowers, target: target, estimator: sklearn.dummy.DummyClassifier}
  candidate: {type: register, model: model}
  staging:   {type: deploy, model: candidate, image: "registry.example.com/iris:1", target: kubernetes, stop_after: 4h}
"""


def test_a_deploy_defers_until_the_cluster_is_done(tmp_path):
    (tmp_path / "iris.yaml").write_text(WORKFLOW)
    with api_server() as (server, url):
        extra = {"kube_config": json.dumps(kube_config(url)), "namespace": NAMESPACE}
        connection = json.dumps({"conn_type": "kubernetes", "extra": extra})
        command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "run", "iris.yaml"]
        environment = {**os.environ, "AIRFLOW_CONN_KUBERNETES_DEFAULT": connection}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

        log = (tmp_path / ".mlops" / "run" / "run.log").read_text()
        versions, watches = server.versions(), server.watches

    assert done.returncode == 0, done.stdout + log[-3000:]
    assert versions == ["1"]
    assert watches  # the trigger has waited
    assert "Pausing task as DEFERRED" in log
    assert "secret-token" not in log
    store = Store(tmp_path / ".mlops" / "run" / "store")
    assert read_service(store, "iris", "staging").primary.version == "1"
    placement = read_placement(store, "iris", "staging")
    assert (placement.state, placement.url) == ("running", "http://iris-staging.models.svc")
    assert placement.stops_at
