"""`mlops services status, scale, stop, logs`, against a cluster over HTTP, and of a service on model servers."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.api_server import NAMESPACE, api_server, kube_config

from mlops_dag_factory.cli.main import mlops
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.targets.kubernetes import KubernetesTarget
from mlops_provider.store.placements import Placement, write_placement
from mlops_provider.store.services import Change, ServedVersion, now, set_version
from mlops_provider.store.store import Store

MODEL = "1" * 64


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for environment in ("staging", "production"):
        model = ModelRef(uri="u/1", digest=MODEL, name="rain", version="1")
        change = Change(id=environment, action="deploy", by="ana", at=now())
        set_version(store, "rain", environment, ServedVersion(version="1", model=model), change)
    return store


@pytest.fixture
def server(store, monkeypatch):
    with api_server() as (server, url):
        extra = {"kube_config": json.dumps(kube_config(url))}
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
        placement = Placement(
            workflow="rain", environment="staging", target="kubernetes", version="1", model=MODEL, image="rain:1",
            namespace=NAMESPACE, connection="cluster", port=80, state="running", at=now(),
            url="http://rain-staging.models.svc", stops_at="2026-01-01T00:00:00+00:00",
        )  # fmt: skip
        KubernetesTarget.connect(json.dumps(extra)).apply(write_placement(store, placement))
        yield server


def run(store, *arguments):
    return CliRunner().invoke(mlops, ["services", "--store", store.url, *arguments], env={"COLUMNS": "200"})


def test_a_service_in_a_cluster_is_seen_scaled_and_stopped(store, server):
    listed = run(store).output
    scaled = run(store, "scale", "rain/staging", "2", "--wait", "120")
    shown = json.loads(run(store, "status", "rain/staging", "--json").output)
    said = run(store, "logs", "rain/staging", "--lines", "5").output
    due = run(store, "stop", "--due")
    after = run(store, "status", "rain/staging")
    again = run(store, "stop", "rain/staging")

    assert "kubernetes http://rain-staging.models.svc" in " ".join(listed.split())
    assert scaled.output == "rain/staging has 2 replicas\n"
    assert (shown["status"], len(shown["instances"])) == ("ready", 2)
    assert said.count("the last words of the server") == 2
    assert "rain/staging is stopped: its time was over at 2026-01-01T00:00:00+00:00" in due.output
    assert server.kinds() == []
    assert after.exit_code == 1
    assert (again.exit_code, again.output) == (1, "error: rain/staging does not run\n")


def test_a_service_on_model_servers_is_stopped_by_its_record(store):
    shown = run(store, "status", "rain")
    scaled = run(store, "scale", "rain", "3")
    said = run(store, "logs", "rain")
    stopped = run(store, "stop", "rain", "--reason", "no longer needed")
    history = json.loads(run(store, "show", "rain", "--json").output)

    assert "no model server runs it" in shown.output
    assert "runs on model servers: nobody starts them here" in scaled.output
    assert "the logs of rain/production are with its model servers" in said.output
    assert stopped.exit_code == 0
    assert (history[-1]["version"], history[-1]["action"], history[-1]["reason"]) == (
        "none",
        "stop",
        "no longer needed",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "snow"], "there is no service 'snow/production'"),
        (["stop"], "name a service, or say --due"),
        (["scale", "rain", "0"], "0 is not in the range"),
    ],
)
def test_what_is_wrong_is_said(store, arguments, message):
    answer = run(store, *arguments)

    assert answer.exit_code == 2
    assert message in answer.output
