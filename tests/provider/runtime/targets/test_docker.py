"""Services in containers of a real engine: replaced without a lost request, undone when they do not come up."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace

import httpx
import pytest
from tests import containers

from mlops_dag_factory.spec import DeploySpec, TestServiceSpec
from mlops_provider.exceptions import ConfigError, ImageError, ServiceFailedError, TargetUnavailableError
from mlops_provider.refs import ImageRef
from mlops_provider.runtime.images import docker as images
from mlops_provider.store.placements import placement_history, read_placement
from mlops_provider.store.services import read_service

ADDRESS = "engine"
COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
BODY = {"dataframe_split": {"columns": COLUMNS, "data": [[5.1, 3.5, 1.4, 0.2]]}}
SMALL = {"target": "docker", "conn_id": ADDRESS, "wait": "120s", "memory": "512Mi", "cpu": "0.7"}
pytestmark = containers.CONTAINERS


@pytest.fixture
def environment(request):
    """Give each test a service of its own."""
    return f"e{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def deploy(built, environment):
    """Give what deploys to the engine; what runs there at the end is removed."""

    def run(ref, run_id, **fields):
        spec = DeploySpec(**{"model": "m", "environment": environment, **SMALL, **fields})
        connections = {ADDRESS: json.dumps({"engine": built.engine})}
        return built.bench.run(spec, {"model": ref}, run_id=run_id, connections=connections)

    yield run
    client = images.engine(built.engine)
    for container in client.containers.list(all=True):
        container.remove(force=True)
    client.networks.prune()  # an engine that ends leaves its bridges on the machine


def ask(url, results, ended, limits):
    """Ask one row after the other; take down the version that answered, or what went wrong."""
    with httpx.Client(base_url=url, timeout=20, limits=limits) as client:
        while not ended.is_set():
            try:
                answer = client.post("/invocations", json=BODY)
                results.append(answer.headers["x-model-version"] if answer.is_success else answer.text)
            except httpx.HTTPError as err:
                results.append(repr(err))
            time.sleep(0.01)


def running(built):
    """Give the versions of the replicas that there are."""
    found = images.engine(built.engine).containers.list(all=True, filters={"label": "mlops.role=replica"})
    return sorted(container.labels["mlops.version"] for container in found)


def test_a_second_deploy_replaces_the_containers_without_a_lost_request(built, deploy):
    service = deploy(built.first, "run-1", replicas=2).outputs["service"]
    tested = built.bench.run(TestServiceSpec(service="s", requests=20, concurrency=[]), {"service": service})
    found, ended = [], threading.Event()
    limits = [httpx.Limits(), httpx.Limits(max_keepalive_connections=0)]
    asking = [threading.Thread(target=ask, args=(service.url, found, ended, each)) for each in limits]
    for thread in asking:
        thread.start()

    replaced = deploy(built.second, "run-2").outputs["service"]
    ended.set()
    for thread in asking:
        thread.join()

    assert tested.verdict.status == "passed"
    assert set(found) == {"1", "2"}
    assert found[-1] == "2"
    assert (replaced.url, replaced.version) == (service.url, "2")
    assert running(built) == ["2"]
    [replica] = images.engine(built.engine).containers.list(filters={"label": "mlops.role=replica"})
    host = replica.attrs["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Memory"]) == (True, ["ALL"], 512 * 2**20)
    assert (host["NanoCpus"], host["RestartPolicy"]["Name"]) == (700_000_000, "unless-stopped")
    assert replica.attrs["Config"]["User"] == "50000:50000"
    assert not host["PortBindings"]


def test_a_version_that_does_not_come_up_is_explained_and_undone(built, deploy, environment, broken):
    service = deploy(built.first, "run-1").outputs["service"]

    with pytest.raises(ServiceFailedError) as failure:
        deploy(broken, "run-2")
    with pytest.raises(ServiceFailedError) as hungry:
        deploy(built.second, "run-3", memory="24Mi")

    assert "model.skops" in str(failure.value)  # what the server wrote last
    assert "version 1 runs as before" in str(failure.value)
    assert "out of memory at its limit of 24Mi" in str(hungry.value)
    assert running(built) == ["1"]
    assert httpx.post(f"{service.url}/invocations", json=BODY).headers["x-model-version"] == "1"
    assert read_service(built.bench.store, "flow", environment).primary.version == "1"
    states = [(state.version, state.state) for state in placement_history(built.bench.store, "flow", environment)]
    assert states[-3:] == [("2", "rolling"), ("2", "failed"), ("1", "running")]


KILLED = """
import json, os, signal, sys
from mlops_dag_factory.spec import DeploySpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime import deploy
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.targets import rollout
from mlops_provider.runtime.targets.docker import DockerTarget
where, context, image, connections, spec = sys.argv[1], *map(json.loads, sys.argv[2:])
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "before a container": DockerTarget._create_replica = die
if where == "before the front": DockerTarget._create_front = die
if where == "while it waits": DockerTarget.look = die
if where == "before the record": rollout.set_version = die
if where == "before the old ends": DockerTarget.settle = die
from dataclasses import replace
context = replace(RunContext.from_dict(context), connections=connections)
deploy.run(DeploySpec(**spec), {"model": [ref_from_dict(image)]}, context)
"""


@pytest.mark.kill
def test_a_deploy_that_is_killed_at_every_step_is_one_deploy_in_the_end(built, deploy, environment):
    deploy(built.first, "run-1")
    context = built.bench.context("deploy", "deploy", run_id="run-2").to_dict()
    spec = {"model": "m", "environment": environment, **SMALL}
    given = [context, built.second.to_dict(), {ADDRESS: json.dumps({"engine": built.engine})}, spec]
    steps = ["before a container", "before the front", "while it waits", "before the record", "before the old ends"]

    codes = [
        subprocess.run([sys.executable, "-c", KILLED, step, *map(json.dumps, given)], check=False).returncode
        for step in steps
    ]
    outcome = deploy(built.second, "run-2")

    assert codes == [-9, 0, -9, -9, -9]  # the front was there already: nothing to do before it
    assert running(built) == ["2"]
    assert read_service(built.bench.store, "flow", environment).change.id == "flow/run-2/deploy"
    states = [(state.version, state.state) for state in placement_history(built.bench.store, "flow", environment)]
    assert states == [("1", "rolling"), ("1", "running"), ("2", "rolling"), ("2", "running")]
    assert httpx.get(f"{outcome.outputs['service'].url}/ready").is_success


@pytest.mark.parametrize(
    ("change", "fields", "error", "message"),
    [
        ({}, {"image": "iris:7"}, ConfigError, "there are two images"),
        ({"uri": "registry.example.com:1/iris@sha256:" + "0" * 64}, {}, TargetUnavailableError, "cannot be pulled"),
        ({"digest": "0" * 64}, {}, ImageError, "is not in this engine"),
        ({"model_digest": "1" * 64}, {}, ConfigError, "holds the model"),
        ({"model_uri": ""}, {}, ConfigError, "serves no model"),
        ({"version": ""}, {}, ConfigError, "is not registered"),
    ],
)
def test_what_cannot_be_deployed_is_said_and_nothing_runs(built, deploy, environment, change, fields, error, message):
    with pytest.raises(error, match=message):
        deploy(replace(built.second, **change), "run-1", **fields)

    assert running(built) == []
    latest = read_placement(built.bench.store, "flow", environment)
    assert latest is None or latest.state != "running"


def test_a_port_that_is_taken_and_an_engine_that_is_away_are_said(built, deploy):
    port = containers.free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ConfigError, match=f"port {port} of the engine's machine is taken"):
            deploy(built.second, "run-1", port=port)
    spec = DeploySpec(model="m", **SMALL)
    away = {ADDRESS: json.dumps({"engine": "tcp://127.0.0.1:1"})}
    with pytest.raises(TargetUnavailableError, match="no Docker engine answers"):
        built.bench.run(spec, {"model": built.second}, run_id="run-2", connections=away)

    assert running(built) == []


def test_an_image_reference_without_a_model_is_as_before():
    assert ImageRef.serving("a", "b", None) == ImageRef(uri="a", digest="b")
