"""Deploy, test_service and release with a real model server beside them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from mlops_dag_factory.spec import DeploySpec, ReleaseSpec, TestServiceSpec
from mlops_provider.exceptions import CheckpointBlockedError, ConfigError, ServiceError, ServiceFailedError
from mlops_provider.runtime import tracking
from mlops_provider.runtime.release import run as run_release
from mlops_provider.runtime.service_test.endpoint import Endpoint
from mlops_provider.runtime.service_test.parity import golden_mismatches
from mlops_provider.store.model_file import MODEL_FILE
from mlops_provider.store.models import load_model
from mlops_provider.store.service_reports import live_reports
from mlops_provider.store.services import Change, now, read_service, roll_back, service_history


@pytest.fixture
def server(bench):
    """Give a model server for all services of the bench's store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "serve", "--port", str(port)]
    process = subprocess.Popen([*command, "--store", bench.store.url], env={**os.environ, "OMP_NUM_THREADS": "1"})
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health")
            break
        except httpx.TransportError:
            time.sleep(0.1)
    yield url
    process.terminate()
    assert process.wait(30) == 0


def candidate(bench, run_id="run-1", **fields):
    model, _, _ = bench.model("sklearn:breast_cancer", **fields)
    return bench.version(model, run_id=run_id)


def deploy(bench, version, **fields):
    run_id = fields.pop("run_id", "run-1")
    return bench.run(DeploySpec(model="m", wait="20s", **fields), {"model": version}, run_id=run_id)


def release(bench, version, run_id="run-1", wait="20s"):
    return bench.run(ReleaseSpec(model="m", wait=wait), {"model": version}, run_id=run_id)


def champion(bench):
    """Give the champion's version, of which the chain and MLflow say the same."""
    known = tracking.champion(bench.store, bench.tracking_uri, "flow")
    mirrored = tracking.registered_champion(bench.tracking_uri, "flow")
    assert known == mirrored
    return known.version


def test_deploy_gives_a_service_that_passes_its_test(bench, server):
    version = candidate(bench)

    service = deploy(bench, version).outputs["service"]
    tested = bench.run(TestServiceSpec(service="s", requests=60), {"service": service})

    assert (service.name, service.version, service.revision) == ("flow/staging", "1", 1)
    assert service.url == f"{server}/flow/staging"
    assert httpx.get(f"{service.url}/ready").is_success
    assert tested.verdict.status == "passed"
    assert tested.metrics["golden_mismatches"] == tested.metrics["contract_failures"] == 0
    assert 0 < tested.metrics["latency_p50_ms"] <= tested.metrics["latency_p95_ms"] <= tested.metrics["latency_p99_ms"]
    report = bench.store.open(tested.outputs["report"])
    assert {file.name for file in report.files()} == {"report.json", "report.md", "report.html"}


def test_a_gate_that_the_service_misses_blocks(bench, server):
    service = deploy(bench, candidate(bench)).outputs["service"]

    with pytest.raises(CheckpointBlockedError, match="latency_p50_ms"):
        bench.run(TestServiceSpec(service="s", requests=20, gates=["latency_p50_ms < 0.001"]), {"service": service})


def test_release_moves_the_champion_and_keeps_the_previous(bench, server):
    first = candidate(bench)
    release(bench, first)
    second = candidate(bench, "run-2", estimator="sklearn.naive_bayes.GaussianNB")

    outcome = release(bench, second, "run-2")

    service = read_service(bench.store, "flow", "production")
    assert (service.primary.version, service.previous.version) == ("2", "1")
    assert (service.change.by, service.change.action) == ("ana", "release")
    assert outcome.details["previous"] == "1"
    assert champion(bench) == "2"


def test_a_model_that_servers_cannot_load_is_taken_back(bench, server):
    first = candidate(bench)
    release(bench, first)
    second = candidate(bench, "run-2", estimator="sklearn.naive_bayes.GaussianNB")
    path = bench.store.open(second).folder / MODEL_FILE
    path.write_bytes(b"x" + path.read_bytes())

    with pytest.raises(ServiceFailedError, match="version 1 runs as before") as failure:
        release(bench, second, "run-2")

    assert not failure.value.retryable
    service = read_service(bench.store, "flow", "production")
    assert (service.primary.version, service.change.action) == ("1", "restore")
    assert champion(bench) == "1"
    assert httpx.get(f"{server}/flow/production/ready").json()["services"] == {"flow/production": "1"}


def test_without_a_server_nothing_stays_deployed(bench):
    version = candidate(bench)

    with pytest.raises(ServiceError, match="no model server follows flow/staging; nothing runs, as before"):
        bench.run(DeploySpec(model="m", wait="500ms"), {"model": version})

    assert read_service(bench.store, "flow", "staging").primary is None


def test_an_unregistered_model_is_refused(bench):
    model, _, _ = bench.model("sklearn:breast_cancer")

    with pytest.raises(ConfigError, match="not registered"):
        deploy(bench, model)


def test_a_release_that_was_rolled_back_is_not_made_again_by_a_retry(bench, server):
    first = candidate(bench)
    release(bench, first)
    second = candidate(bench, "run-2", estimator="sklearn.naive_bayes.GaussianNB")
    release(bench, second, "run-2")
    roll_back(bench.store, "flow", "production", Change(id="undo", action="rollback", by="bo", at=now()))

    with pytest.raises(ServiceFailedError, match="followed by a rollback by 'bo'"):
        release(bench, second, "run-2")

    assert read_service(bench.store, "flow", "production").primary.version == "1"


KILLED = """
import json, os, signal, sys
from mlops_dag_factory.spec import ReleaseSpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime import deploy, promotion, release, tracking
from mlops_provider.runtime.contract import RunContext
from mlops_provider.store import promotions
where = sys.argv[1]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "after the change": deploy.wait_until_ready = die
if where == "before it is reserved": promotions.reserve = promotion.reserve = die
if where == "before the change": release.bring_up = die
if where == "before it is completed": promotion.promote = die
if where == "before the alias": tracking.set_alias = die
context = RunContext.from_dict(json.loads(sys.argv[2]))
release.run(ReleaseSpec(model="m", wait="20s"), {"model": [ref_from_dict(json.loads(sys.argv[3]))]}, context)
if where == "after the alias": die()
"""


@pytest.mark.kill
@pytest.mark.parametrize(
    "where",
    [
        "before it is reserved",
        "before the change",
        "after the change",
        "before it is completed",
        "before the alias",
        "after the alias",
    ],
)
def test_a_release_killed_anywhere_is_one_release_after_the_retry(bench, server, where):
    version = candidate(bench)
    context = bench.context("release", "release")
    arguments = [json.dumps(context.to_dict()), json.dumps(version.to_dict())]
    killed = subprocess.run([sys.executable, "-c", KILLED, where, *arguments], check=False)
    assert killed.returncode == -9

    outcome = run_release(ReleaseSpec(model="m", wait="20s"), {"model": [version]}, context)

    assert [state.change.id for state in service_history(bench.store, "flow", "production")] == [context.identity]
    assert outcome.outputs["service"].revision == 1
    assert champion(bench) == "1"
    assert live_reports(bench.store, "flow", "production")[0].status(version.digest)[0] == "ready"


def test_golden_rows_that_the_service_answers_otherwise_are_counted(bench, server):
    """A service that runs another model than the reference says fails the parity check."""
    first = candidate(bench)
    other = candidate(bench, "run-2", estimator="sklearn.dummy.DummyClassifier", parameters={"strategy": "uniform"})
    service = deploy(bench, first).outputs["service"]

    with httpx.Client(base_url=service.url) as client:
        same, differs = (
            golden_mismatches(Endpoint(client, "flow", "1", model.signature), model.golden())
            for model in (load_model(bench.store, first), load_model(bench.store, other))
        )

    assert same == (0, "")
    assert differs[0] > 0
    assert "at training time it gave" in differs[1]
