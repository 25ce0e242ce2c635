"""Services in a cluster: applied, waited for, explained, undone; by the real client, over HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.api_server import NAMESPACE, api_server, kube_config
from tests.provider.conftest import Bench

from mlops_dag_factory.spec import DeploySpec, ReleaseSpec, RollbackSpec
from mlops_provider.exceptions import ConfigError, ServiceError, ServiceFailedError, TargetUnavailableError
from mlops_provider.refs import ImageRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.release import advance
from mlops_provider.runtime.rollback import run as run_rollback
from mlops_provider.runtime.rollout.progress import Waiting
from mlops_provider.runtime.targets import rollout
from mlops_provider.runtime.targets.target import open_target
from mlops_provider.runtime.targets.upkeep import due, placed, scale, stop, stop_change, stopping
from mlops_provider.runtime.targets.watching import wait_for_rollout
from mlops_provider.store.placements import placement_history, read_placement
from mlops_provider.store.service_reports import ServerReport, write_report
from mlops_provider.store.services import now, read_service

CLUSTER = "cluster"
EVERYTHING = ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Give a bench with two registered versions, and their images in a registry that nobody asks."""
    bench = Bench(tmp_path_factory.mktemp("models"))
    model, _, _ = bench.model()
    first, second = (bench.version(model, run_id=run_id) for run_id in ("make-1", "make-2"))
    return bench, *(
        ImageRef.serving(f"registry.example.com/iris@sha256:{number * 64}", number * 64, version)
        for number, version in (("1", first), ("2", second))
    )


class Deployer:
    """Deploys to a server of its own, in an environment of its own."""

    def __init__(self, models, server, url, environment):
        self.bench, self.first, self.second = models
        self.server, self.environment = server, environment
        self.address = json.dumps({"kube_config": kube_config(url), "namespace": NAMESPACE})

    def spec(self, **fields):
        wanted = {"target": "kubernetes", "conn_id": CLUSTER, "wait": "120s", "environment": self.environment}
        return {"model": "m", **wanted, **fields}

    def __call__(self, image, run_id, **fields):
        spec = DeploySpec(**self.spec(**fields))
        return self.bench.run(spec, {"model": image}, run_id=run_id, connections={CLUSTER: self.address})

    def states(self):
        found = placement_history(self.bench.store, "flow", self.environment)
        return [(state.version, state.state) for state in found]

    def placement(self):
        return read_placement(self.bench.store, "flow", self.environment)


@pytest.fixture
def deploy(models, request):
    with api_server() as (server, url):
        yield Deployer(models, server, url, f"e{zlib.crc32(request.node.name.encode())}")


def test_a_deploy_applies_every_object_and_a_second_one_updates_them(deploy):
    service = deploy(deploy.first, "run-1", replicas=2).outputs["service"]
    applied = [thing["kind"] for thing in deploy.server.applied]

    deploy(deploy.second, "run-2", replicas=2)

    assert service.url == f"http://flow-{deploy.environment}.models.svc"
    assert sorted(applied) == EVERYTHING
    assert deploy.server.kinds() == EVERYTHING
    assert deploy.server.versions() == ["2", "2"]
    assert read_service(deploy.bench.store, "flow", deploy.environment).primary.version == "2"
    [deployment] = [thing for thing in deploy.server.applied[len(EVERYTHING) :] if thing["kind"] == "Deployment"]
    assert deployment["metadata"]["generation"] == 2
    assert "secret-token" not in json.dumps(deploy.placement().to_dict())


def test_an_autoscaler_comes_and_goes(deploy):
    deploy(deploy.first, "run-1", autoscale={"minimum": 2, "maximum": 5})
    scaled = deploy.server.kinds()

    deploy(deploy.second, "run-2", replicas=1)

    assert scaled == sorted([*EVERYTHING, "HorizontalPodAutoscaler"])
    assert deploy.server.kinds() == EVERYTHING
    assert deploy.server.versions() == ["2"]


@pytest.mark.parametrize(
    ("scenario", "error", "message"),
    [
        ("no image", ServiceFailedError, "the image cannot be pulled"),
        ("no memory", ServiceFailedError, "out of memory at its limit of 1Gi"),
        ("crash", ServiceFailedError, "with code 1(.|\n)*the last words of the server"),
        ("quota", ServiceError, "the namespace's quota is used up(.|\n)*exceeded quota: small"),
        ("deadline", ServiceError, "0 of 1 new replicas answered in time"),
        ("no node", ServiceError, "Insufficient memory"),
        ("registry away", ServiceError, "i/o timeout"),
    ],
)
def test_a_rollout_that_fails_is_explained_and_undone(deploy, monkeypatch, scenario, error, message):
    deploy(deploy.first, "run-1")
    deploy.server.scenario = scenario
    deploy.server.warn(f"flow-{deploy.environment}-5d", "FailedCreate", "something that the cluster warns of")
    if scenario in {"no node", "registry away"}:  # which are waited for: the time is over when the cluster has said it
        monkeypatch.setattr(rollout, "now", lambda: "9999" if deploy.server.has_rolled_out("2") else now())

    with pytest.raises(error, match=message) as failure:
        deploy(deploy.second, "run-2", wait="60s")

    assert type(failure.value) is error
    assert "version 1 runs as before" in str(failure.value)
    assert "event: FailedCreate: something that the cluster warns of" in str(failure.value)
    assert deploy.states()[-3:] == [("2", "rolling"), ("2", "failed"), ("1", "running")]
    assert read_service(deploy.bench.store, "flow", deploy.environment).primary.version == "1"
    assert deploy.server.applied[-1]["metadata"]["labels"]["app.kubernetes.io/version"] == "1"


def test_a_first_deploy_that_fails_leaves_nothing(deploy):
    deploy.server.scenario = "crash"

    with pytest.raises(ServiceFailedError, match="nothing runs, as before"):
        deploy(deploy.first, "run-1")

    assert deploy.server.kinds() == []
    assert read_service(deploy.bench.store, "flow", deploy.environment).primary is None


def test_conflicts_are_tried_again_and_explained_when_they_do_not_end(deploy, monkeypatch):
    monkeypatch.setattr("mlops_provider.runtime.targets.cluster._PAUSE_SECONDS", 0.001)
    deploy.server.refuse = [409, 409, 503]
    deploy(deploy.first, "run-1")
    deploy.server.refuse = [409] * 6

    with pytest.raises(TargetUnavailableError, match="somebody else changes it all the time"):
        deploy(deploy.second, "run-2")

    assert deploy.states()[-1] == ("2", "rolling")  # the retry goes on from here
    deploy(deploy.second, "run-2", wait="121s")
    assert deploy.states()[-1] == ("2", "running")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"namespace": "other"}, "the cluster has no namespace other"),
        ({"target": "kserve", "namespace": "other"}, "install KServe, or make the namespace"),
    ],
)
def test_a_namespace_that_is_not_there_is_said(deploy, fields, message):
    with pytest.raises(ConfigError, match=message):
        deploy(deploy.first, "run-1", **fields)


def test_an_object_of_somebody_else_is_left_alone(deploy):
    import kmock

    name = f"flow-{deploy.environment}"
    theirs = {"kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE, "labels": {}}, "spec": {"x": 1}}
    deploy.server.objects[kmock.resource("v1/services"), NAMESPACE, name] = theirs

    with pytest.raises(ConfigError, match=rf"Service models/{name} is there already and is not ours"):
        deploy(deploy.first, "run-1")

    assert deploy.server.kinds() == ["Service"]


def test_a_cluster_that_does_not_answer_is_asked_again_later(deploy):
    deploy.address = json.dumps({"kube_config": kube_config("http://127.0.0.1:1")})

    with pytest.raises(TargetUnavailableError, match="does not answer"):
        deploy(deploy.first, "run-1")


def test_a_rollout_is_waited_for_by_watches_that_begin_anew(deploy, monkeypatch):
    monkeypatch.setattr("mlops_provider.runtime.targets.watching._BACKOFF_SECONDS", 0.05)
    deploy(deploy.first, "run-1")
    deploy.server.scenario, deploy.server.gone = "slow", 3
    from mlops_provider.runtime.deploy import begin_elsewhere

    context = deploy.bench.context("deploy", "deploy", run_id="run-2", connections={CLUSTER: deploy.address})
    placement = begin_elsewhere(DeploySpec(**deploy.spec()), {"model": [deploy.second]}, context)

    async def wait():
        waiting = asyncio.create_task(wait_for_rollout(deploy.address, placement))
        await asyncio.sleep(1)
        still = waiting.done()
        asyncio.run_coroutine_threadsafe(finish(deploy.server), deploy.server.loop)
        return still, await asyncio.wait_for(waiting, 60)

    done_early, progress = asyncio.run(wait())
    outcome = deploy(deploy.second, "run-2")

    assert not done_early
    assert progress.status == "ready"
    assert deploy.server.watches > 3
    assert outcome.outputs["service"].version == "2"
    assert deploy.states() == [("1", "rolling"), ("1", "running"), ("2", "rolling"), ("2", "running")]


async def finish(server):
    """Let the pods that are on their way come up."""
    server.scenario = "ready"
    [(key, found)] = [(key, found.raw) for key, found in server.objects.items() if key[0].plural == "deployments"]
    for pod, content in server._pods():
        if content["metadata"]["labels"]["app.kubernetes.io/version"] == "2":
            await server._end(pod)
    await server._roll_out(key, found)


KILLED = """
import json, os, signal, sys
from dataclasses import replace
from mlops_dag_factory.spec import DeploySpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime import deploy
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.targets import rollout
from mlops_provider.runtime.targets.cluster import Cluster
from mlops_provider.runtime.targets.kubernetes import KubernetesTarget
where, context, image, connections, spec = sys.argv[1], *map(json.loads, sys.argv[2:])
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
applied = Cluster.apply
def apply(cluster, thing):
    if where == f"before {thing['kind']}": die()
    return applied(cluster, thing)
Cluster.apply = apply
if where == "while it waits": KubernetesTarget.look = die
if where == "before the record": rollout.set_version = die
if where == "before what is not wanted goes": KubernetesTarget.settle = die
context = replace(RunContext.from_dict(context), connections=connections)
deploy.run(DeploySpec(**spec), {"model": [ref_from_dict(image)]}, context)
"""


@pytest.mark.kill
def test_a_deploy_that_is_killed_at_every_step_is_one_deploy_in_the_end(deploy):
    deploy(deploy.first, "run-1", autoscale={"maximum": 3})
    context = deploy.bench.context("deploy", "deploy", run_id="run-2").to_dict()
    given = [context, deploy.second.to_dict(), {CLUSTER: deploy.address}, deploy.spec()]
    steps = ["before Deployment", "while it waits", "before the record"]

    codes = [
        subprocess.run([sys.executable, "-c", KILLED, step, *map(json.dumps, given)], check=False).returncode
        for step in [*steps, "before what is not wanted goes"]
    ]
    deploy(deploy.second, "run-2")

    assert codes == [-9] * 4
    assert deploy.server.kinds() == EVERYTHING
    assert deploy.server.versions() == ["2"]
    assert deploy.states() == [("1", "rolling"), ("1", "running"), ("2", "rolling"), ("2", "running")]


def test_two_deploys_at_once_one_wins_and_one_is_told(deploy):
    deploy.server.scenario = "slow"
    from mlops_provider.runtime.deploy import begin_elsewhere

    context = deploy.bench.context("deploy", "deploy", run_id="run-1", connections={CLUSTER: deploy.address})
    placement = begin_elsewhere(DeploySpec(**deploy.spec()), {"model": [deploy.first]}, context)

    with pytest.raises(TargetUnavailableError, match="brings version 1 up now"):
        deploy(deploy.second, "run-2")

    assert deploy.placement() == placement


def test_a_service_is_seen_and_stopped(deploy):
    deploy(deploy.first, "run-1", replicas=2)
    placement = deploy.placement()
    target = open_target(deploy.bench.store, placement, {CLUSTER: deploy.address})

    seen = [(instance.version, instance.status) for instance in target.status(placement)]
    log = target.logs(placement, 10)
    target.stop(placement)
    target.stop(placement)

    assert seen == [("1", "ready"), ("1", "ready")]
    assert log.count("the last words of the server") == 2
    assert deploy.server.kinds() == []
    assert target.status(placement) == []


def test_a_release_waits_for_the_cluster_then_makes_the_champion_and_a_rollback_goes_back(deploy):
    def release(image, run_id):
        context = deploy.bench.context("live", "release", run_id=run_id, connections={CLUSTER: deploy.address})
        return advance(ReleaseSpec(**deploy.spec()), {"model": [image]}, context)

    waits, first = release(deploy.first, "run-1"), eventually(lambda: release(deploy.first, "run-1"))
    model = replace(deploy.first.model(), name="", version="")
    newer = ImageRef.serving(deploy.second.uri, deploy.second.digest, deploy.bench.version(model, run_id="make-late"))
    eventually(lambda: release(newer, "run-2"))
    between = deploy.server.versions()
    context = deploy.bench.context("back", "rollback", run_id="run-3", connections={CLUSTER: deploy.address})
    spec = RollbackSpec(environment=deploy.environment, reason="it is worse", wait="120s")
    back = run_rollback(spec, {}, context).outputs["service"]

    assert "the cluster brings version 1 up" in waits.said
    assert first.outputs["service"].url == back.url
    assert back.version == "1"
    assert (between, deploy.server.versions()) == ([newer.version], ["1"])
    assert deploy.states()[-2:] == [("1", "rolling"), ("1", "running")]
    assert tracking.champion(deploy.bench.store, deploy.bench.tracking_uri, "flow").version == "1"


def eventually(advance):
    """Give the outcome of a release, as the triggerer's looks make it."""
    deadline = time.monotonic() + 120
    while isinstance(found := advance(), Waiting):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def test_more_replicas_are_asked_for_and_put_back_when_they_do_not_come(deploy):
    deploy(deploy.first, "run-1", replicas=1)
    connections = {CLUSTER: deploy.address}

    scale(deploy.bench.store, deploy.placement(), 3, connections, timedelta(seconds=120))
    deploy.server.scenario = "quota"
    with pytest.raises(ServiceError, match="does not come up with 5 replicas: the namespace's quota is used up"):
        scale(deploy.bench.store, deploy.placement(), 5, connections, timedelta(seconds=120))

    assert deploy.server.versions() == ["1", "1", "1"]
    assert deploy.placement().replicas == 3


def test_a_service_whose_time_is_over_is_stopped_once(deploy):
    deploy(deploy.first, "run-1", stop_after="1s")
    store, connections = deploy.bench.store, {CLUSTER: deploy.address}
    early = [found.name for found in stopping(placed(store))]
    eventually(lambda: due(placed(store)) or Waiting(1, ""))

    for placement in due(placed(store)) * 2:
        stop(store, *placement.service, stop_change(placement, "ana"), connections)

    assert early == [f"flow/{deploy.environment}"]
    assert due(placed(store)) == []
    assert deploy.server.kinds() == []
    assert deploy.placement().state == "stopped"
    state = read_service(store, "flow", deploy.environment)
    assert (state.primary, state.previous.version, state.change.action) == (None, "1", "stop")
    deploy(deploy.second, "run-2")
    assert deploy.server.versions() == ["2"]


def test_kserve_makes_the_rest_of_one_inference_service(deploy):
    service = deploy(deploy.first, "run-1", target="kserve").outputs["service"]
    deploy.server.scenario = "bad"

    with pytest.raises(ServiceFailedError, match=r"no such image(.|\n)*version 1 runs as before"):
        deploy(deploy.second, "run-2", target="kserve")

    assert service.url == f"http://flow-{deploy.environment}.models.svc.cluster.local"
    assert deploy.server.kinds() == ["InferenceService"]


def test_from_one_target_to_another_the_first_is_stopped(deploy):
    deploy(deploy.first, "run-1", target="kserve")

    deploy(deploy.second, "run-2")

    assert deploy.server.kinds() == EVERYTHING


def test_from_a_cluster_to_model_servers_the_objects_go(deploy):
    deploy(deploy.first, "run-1")
    model, store = deploy.second.model(), deploy.bench.store
    said = {model.version: {"status": "ready", "digest": model.digest, "message": ""}}
    report = ServerReport(server_id="a", url="http://here:1", at=now(), revision=99, versions=said)
    write_report(store, "flow", deploy.environment, report)
    spec = DeploySpec(model="m", environment=deploy.environment, wait="120s")

    connections = {CLUSTER: deploy.address}
    outcome = deploy.bench.run(spec, {"model": model}, run_id="run-2", connections=connections)

    assert outcome.outputs["service"].url == "http://here:1"
    assert deploy.server.kinds() == []
    assert (deploy.placement().target, deploy.placement().state) == ("server", "running")
