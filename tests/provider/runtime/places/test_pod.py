"""Phases in pods: made by the real operator against an API server, found again after a kill, explained."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import kubernetes_validate
import pytest
from airflow.sdk.exceptions import TaskDeferred
from kubernetes_validate.utils import all_versions
from tests.api_server import NAMESPACE, api_server, kube_config
from tests.provider.runtime.places.conftest import Runner, alike
from tests.provider.runtime.places.kubelet import Cluster

from mlops_dag_factory.spec import IngestSpec, SplitSpec, TransformSpec
from mlops_provider.exceptions import ConfigError, PlaceError, WorkFailedError
from mlops_provider.operators.pod_place import RESUME, PodPlace
from mlops_provider.runtime.places.pod import failure_of, pod, secret
from mlops_provider.runtime.records import read_record, run_records

IMAGE = "registry.example.com/models/training@sha256:" + "ab" * 32
WANTED = {
    "runtime": "kubernetes", "conn_id": "cluster", "cpu": "500m", "memory": "2Gi", "gpu": 1, "env": {"MODE": "dry"},
    "secrets": {"LAKE_TOKEN": "lake/token"}, "node_selector": {"disk": "ssd"}, "service_account": "phases",
    "tolerations": [{"key": "gpu", "operator": "Exists", "value": "", "effect": "NoSchedule"}],
}  # fmt: skip
TEMPLATE = """
apiVersion: v1
kind: Pod
spec:
  imagePullSecrets: [{name: registry}]
  containers: [{name: base, volumeMounts: [{name: lake, mountPath: /lake}]}]
  volumes: [{name: lake, persistentVolumeClaim: {claimName: lake}}]
"""
VERSIONS = [version for version in all_versions() if tuple(map(int, version.split(".")[:2])) >= (1, 30)]


class Pods(Runner):
    """Runs phases in pods as Airflow does: a task that defers, its trigger, the task again."""

    def __init__(self, bench, cluster, template, **wanted):
        super().__init__(bench)
        self.cluster, self.wanted, self.template = cluster, {**WANTED, **wanted}, template
        self.pushed = {}

    def start(self, spec, phase, inputs=None, *, attempt=1, event=None, **options):
        dates = {"start_date": datetime.now(UTC), "try_number": attempt, "map_index": -1}
        instance = SimpleNamespace(dag_id="flow", task_id=phase, run_id="run-1", xcom_push=self.push, **dates)
        context = {"ti": instance, "run_id": "run-1", "dag": SimpleNamespace(dag_id="flow")}
        operator = SimpleNamespace(task_id=phase, execution_timeout=None)
        self.place = PodPlace(operator, context, self.wanted, IMAGE, self.template, event)
        return self.run(spec, phase, inputs, attempt=attempt, **options)

    def push(self, key, value):
        self.pushed[key] = value

    def deferred(self, *arguments, **options):
        with pytest.raises(TaskDeferred) as raised:
            self.start(*arguments, **options)
        assert raised.value.method_name == RESUME
        raised.value.trigger.poll_interval = raised.value.trigger.startup_check_interval = 0.05
        return raised.value.trigger

    def whole(self, spec, phase, inputs=None, **options):
        event = wait_for(self.deferred(spec, phase, inputs, **options))
        return self.start(spec, phase, inputs, event=event, **options)


def wait_for(trigger):
    async def first():
        return (await anext(trigger.run())).payload

    return asyncio.run(first())


@pytest.fixture(scope="module")
def cluster_and_url():
    with api_server(Cluster) as (cluster, url):
        yield cluster, url


@pytest.fixture
def pods(bench, cluster_and_url, monkeypatch):
    cluster, url = cluster_and_url
    cluster.fate, cluster.refuse, cluster.started = None, [], []
    extra = {"kube_config": json.dumps(kube_config(url)), "namespace": NAMESPACE}
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    template = bench.root / "pod.yaml"
    template.write_text(TEMPLATE)
    return Pods(bench, cluster, str(template))


def test_a_phase_in_a_pod_gives_the_record_of_the_worker(pods, inline_records):
    rows = pods.whole(IngestSpec(source="sklearn:iris"), "rows")

    [record] = run_records(pods.bench.store, "flow", "run-1")
    assert alike(record) == alike(inline_records["rows"])
    assert record["place"] == {"runtime": "kubernetes", "image": IMAGE}
    assert rows.outcome.outputs["data"].rows == 150
    assert pods.pushed["pod_name"].startswith("mlops-flow-rows-")
    assert pods.cluster._pods() == []  # it was deleted when it had ended
    assert set(pods.cluster.deleted) == {"pods"}


def test_what_is_sent_is_valid_and_holds_no_secret(pods):
    connections = {"lake": "postgresql://ana:s3cr3t@lake/db"}

    pods.whole(IngestSpec(source="sklearn:iris"), "rows@Norderney.1", connections=connections)

    [made] = pods.cluster.started
    sent = {name: value for name, value in made.items() if name != "status"}
    for version in VERSIONS:
        kubernetes_validate.validate(sent, version, strict=True)
    assert "s3cr3t" not in json.dumps(sent)
    spec = made["spec"]
    base, side = spec["containers"]
    assert base["resources"]["limits"] == {"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "1"}
    assert {"name": "LAKE_TOKEN", "valueFrom": {"secretKeyRef": {"name": "lake", "key": "token"}}} in base["env"]
    assert (base["image"], side["image"]) == (IMAGE, IMAGE)
    for container in (base, side):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert (spec["nodeSelector"], spec["serviceAccountName"]) == ({"disk": "ssd"}, "phases")
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert {mount["name"] for mount in base["volumeMounts"]} == {"lake", "task", "tmp", "xcom"}
    assert spec["securityContext"]["runAsUser"] == 50000
    [first, owned] = [thing for thing in pods.cluster.applied if thing["kind"] == "Secret"][-2:]
    assert "s3cr3t" in first["stringData"]["task.json"]
    assert owned["metadata"]["ownerReferences"][0]["name"] == made["metadata"]["name"]


def test_a_retry_after_a_kill_waits_for_the_pod_that_is_there(pods):
    rows = IngestSpec(source="sklearn:iris")
    pods.deferred(rows, "rows")  # and then the worker is killed, before Airflow knows that it defers

    again = pods.whole(rows, "rows", attempt=2)

    assert len(pods.cluster.started) == 1
    [record] = run_records(pods.bench.store, "flow", "run-1")
    assert (record["attempt"], record["status"]) == (1, "succeeded")
    assert read_record(pods.bench.store, again.record_uri)["attempt"] == 1


def test_where_the_cache_hits_no_pod_is_made(pods):
    data = pods.bench.csv("n.csv", "a\n1\n2\n")
    halves = SplitSpec(data="n", test=0.5)
    first = pods.whole(halves, "parts", {"data": data}, cache=True)

    again = pods.start(halves, "parts", {"data": data}, cache=True, run_id="run-2")

    assert again.outcome.outputs == first.outcome.outputs
    assert len(pods.cluster.started) == 1


def test_errors_are_those_of_the_phase(pods, bench):
    with pytest.raises(WorkFailedError, match=r"nowhere.csv' does not exist"):
        pods.whole(IngestSpec(source="nowhere.csv"), "rows")
    with pytest.raises(WorkFailedError, match="the SQL failed"):
        pods.whole(TransformSpec(data="n", sql="SELECT b FROM n"), "b", {"data": bench.csv("n.csv", "a\n1\n")})


def test_a_store_that_pods_do_not_see_and_a_full_namespace_are_named(pods):
    rows = IngestSpec(source="sklearn:iris")
    template, pods.template = pods.template, ""

    with pytest.raises(ConfigError, match="pods do not see the store"):
        pods.start(rows, "rows")
    pods.template, pods.cluster.refuse = template, []
    pods.cluster.fate = None
    pods.cluster.quota = True
    with pytest.raises(PlaceError, match="exceeded quota"):
        pods.start(rows, "rows", attempt=2)
    pods.cluster.quota = False


def state(**container):
    return {"status": {"containerStatuses": [{"name": "base", "state": container}]}}


NOT_THERE = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x": manifest unknown: not found'}
AWAY = {"reason": "ErrImagePull", "message": "dial tcp 10.0.0.1:443: i/o timeout"}
FULL = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient memory."}


@pytest.mark.parametrize(
    ("seen", "kind", "message"),
    [
        (state(terminated={"exitCode": 137, "reason": "OOMKilled"}), WorkFailedError, "it may use 2Gi"),
        (state(terminated={"exitCode": 75, "message": "the store is away"}), PlaceError, "the store is away"),
        (state(terminated={"exitCode": 1, "message": "no column 'a'"}), WorkFailedError, "no column 'a'"),
        (state(terminated={"exitCode": 127, "message": "not found"}), WorkFailedError, "no python3"),
        (state(waiting=NOT_THERE), WorkFailedError, "cannot be pulled: ImagePullBackOff"),
        (state(waiting=AWAY), PlaceError, "i/o timeout"),
        ({"status": {"conditions": [FULL]}}, PlaceError, "3 Insufficient memory"),
        ({"status": {"reason": "Evicted", "message": "low on resource: ephemeral-storage"}}, PlaceError, "evicted"),
        (None, PlaceError, "is gone"),
    ],
)
def test_the_last_state_of_a_pod_is_explained(bench, seen, kind, message):
    found = failure_of(seen, bench.context("model", "train"), "2Gi", "unknown")

    assert type(found) is kind
    assert message in str(found)


def test_the_plainest_pod_is_valid_too(bench):
    work = Runner(bench).work(IngestSpec(source="sklearn:iris"), "rows@north-1", {})

    things = [pod(work, {}, "lab/training:1"), secret(work.recorded, "models", work.to_json(), None)]
    for version in VERSIONS:
        for thing in things:
            kubernetes_validate.validate(thing, version, strict=True)
