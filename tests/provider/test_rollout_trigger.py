"""The trigger that waits for a rollout, and the connections that it and the docker target are reached by."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException
from tests.api_server import NAMESPACE, api_server, kube_config

from mlops_provider.hooks.docker import DockerEngineHook
from mlops_provider.hooks.kubernetes import ClusterHook
from mlops_provider.runtime.targets.kubernetes import KubernetesTarget
from mlops_provider.store.placements import Placement, placement_history, write_placement
from mlops_provider.store.store import Store
from mlops_provider.triggers.rollout import RolloutTrigger

PLACEMENT = Placement(
    workflow="rain",
    environment="staging",
    target="kubernetes",
    version="1",
    model="0" * 64,
    image="rain:1",
    namespace=NAMESPACE,
    connection="cluster",
    port=80,
    at="2026-01-01T00:00:00.000+00:00",
    until="2999-01-01T00:00:00.000+00:00",
)


async def event_of(trigger):
    path, fields = trigger.serialize()
    assert path == "mlops_provider.triggers.rollout.RolloutTrigger"
    async for event in RolloutTrigger(**fields).run():
        return event.payload
    return None


def test_it_fires_with_what_became_of_the_rollout(monkeypatch):
    with api_server() as (server, url):
        extra = {"kube_config": json.dumps(kube_config(url)), "namespace": NAMESPACE}
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
        address = ClusterHook("cluster").address()
        server.scenario = "no memory"
        KubernetesTarget.connect(address).apply(PLACEMENT)

        payload = asyncio.run(event_of(RolloutTrigger(placement=PLACEMENT.to_dict())))

    assert json.loads(address) == extra
    assert payload["status"] == "failed"
    assert "out of memory" in payload["said"]


def test_a_task_that_is_ended_while_it_waits_leaves_what_ran_before(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__STORE", str(tmp_path))
    store = Store(tmp_path)
    with api_server() as (server, url):
        extra = {"kube_config": json.dumps(kube_config(url)), "namespace": NAMESPACE}
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
        target = KubernetesTarget.connect(json.dumps(extra))
        first = write_placement(store, replace(PLACEMENT, change="a", state="running"))
        target.apply(first)
        second = write_placement(store, replace(first, version="2", image="rain:2", change="b", state="rolling"))
        server.scenario = "slow"
        target.apply(second)

        asyncio.run(RolloutTrigger(placement=second.to_dict()).on_kill())

        applied = server.applied[-1]["metadata"]["labels"]["app.kubernetes.io/version"]
    assert applied == "1"
    assert [found.state for found in placement_history(store, "rain", "staging")] == [
        "running", "rolling", "failed", "running",
    ]  # fmt: skip


def test_it_fires_too_where_the_connection_is_missing():
    payload = asyncio.run(event_of(RolloutTrigger(placement=PLACEMENT.to_dict())))

    assert payload["status"] == "unknown"


def test_connections_are_read_by_a_list_of_what_is_known(monkeypatch):
    old = {"conn_type": "kubernetes", "extra": {"extra__kubernetes__in_cluster": True, "other": 1}}
    engine = {
        "conn_type": "docker", "host": "registry.example.com", "login": "ana", "password": "secret",
        "extra": {"engine": "tcp://docker:2376", "ca_cert": "/certs/ca.pem", "other": 1},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_OLD", json.dumps(old))
    monkeypatch.setenv("AIRFLOW_CONN_ENGINE", json.dumps(engine))

    assert json.loads(ClusterHook("old").address()) == {"in_cluster": True}
    assert ClusterHook().address() == ""
    assert json.loads(DockerEngineHook("engine").address()) == {
        "engine": "tcp://docker:2376", "certificates": {"ca_cert": "/certs/ca.pem"},
        "registry": "registry.example.com", "username": "ana", "password": "secret",
    }  # fmt: skip
    with pytest.raises(AirflowNotFoundException):
        ClusterHook("another").address()
