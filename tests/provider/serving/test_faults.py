"""What goes wrong around a server does not reach its clients: a store that is away, a full disk, a model that fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.provider.serving.conftest import Yard, _free_port

from mlops_provider.exceptions import ModelLoadError, RequestError
from mlops_provider.serving.loading import LoadingMarks
from mlops_provider.serving.model import NotFiniteError, load_served
from mlops_provider.serving.payload import Rows
from mlops_provider.store.services import read_service
from mlops_provider.store.store import Store

SERVICE = ("tumour", "production")


def metric(server, name):
    lines = httpx.get(f"{server.url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@pytest.mark.timeout(300)
def test_an_object_store_that_is_away_does_not_stop_the_server(tmp_path, tumours, monkeypatch, use_s3):
    """S3's API in a process of its own, killed and started again; what it holds comes back with it."""
    import boto3

    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    use_s3(address)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")

    def start_s3():
        made = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(address, timeout=2)
            except httpx.TransportError:
                time.sleep(0.2)
            else:
                return made
        raise AssertionError("S3 did not start")

    process = start_s3()
    try:
        boto3.client("s3").create_bucket(Bucket="lake")
        yard = Yard(tmp_path)
        yard.store = Store("s3://lake/store")
        yard.deploy(yard.publish(tumours))
        server = yard.serve(yard.name, log_folder=tmp_path)
        server.wait(timeout=120)
        body = yard.body(tumours.head(3))
        process.kill()
        process.wait()

        times = []
        for _ in range(6):
            started = time.monotonic()
            assert httpx.post(f"{server.url}/invocations", json=body, timeout=20).status_code == 200
            times.append(time.monotonic() - started)
            time.sleep(0.7)
        assert httpx.get(f"{server.url}/ready", timeout=20).status_code == 200
        assert "cannot be used; serving what is loaded" in server.log.read_text()

        process = start_s3()
        boto3.client("s3").create_bucket(Bucket="lake")  # it keeps nothing: an empty store is not an empty record
        time.sleep(3)
        assert httpx.post(f"{server.url}/invocations", json=body, timeout=20).status_code == 200
        yard.close()
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(200)
def test_a_full_disk_under_the_log_fails_no_request(yard, tumours):
    """No file of the server may grow past a few kilobytes: what a full disk says, its log of predictions says too."""
    yard.deploy(yard.publish(tumours))
    wrapper = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); sys.argv = sys.argv[1:];"
        "runpy.run_module('mlops_dag_factory.cli.main', run_name='__main__')"
    )
    server = yard.serve(yard.name, "--request-log", "none", wrapper=wrapper)
    server.wait()

    body = yard.body(tumours.head(500))
    answers = [httpx.post(f"{server.url}/invocations", json=body, timeout=60).status_code for _ in range(4)]
    deadline = time.monotonic() + 20
    while metric(server, "mlops_log_dropped_rows_total") < 2000 and time.monotonic() < deadline:
        time.sleep(0.2)

    assert answers == [200] * 4
    assert metric(server, "mlops_log_dropped_rows_total") == 2000
    assert not list(Path(yard.store.url).rglob("predictions/**/*.parquet"))  # nothing half-written


def test_a_model_that_gives_nan_is_not_put_into_service(yard, tumours):
    yard.deploy(yard.publish(tumours, regress=True, nan_golden=True))

    with pytest.raises(ModelLoadError, match="golden row 3 gives"):
        load_served(yard.store, read_service(yard.store, *SERVICE).primary)


def test_nan_is_the_models_fault_for_ordinary_values_and_the_clients_for_extreme_ones(yard, tumours):
    from sklearn.linear_model import LinearRegression

    yard.deploy(yard.publish(tumours, regress=True, estimator=LinearRegression(), mode="none"))
    served = load_served(yard.store, read_service(yard.store, *SERVICE).primary)
    names = served.features.names
    with np.errstate(over="ignore", invalid="ignore"):
        with pytest.raises(RequestError, match="no finite number for values as large as these"):
            served.predict(Rows(names, [[1.0] * 30, [1.7e308] * 30]))

        served.loaded.pipeline.steps[-1][1].coef_[:] = np.nan  # a model that breaks while it serves
        served = type(served)(served.version, served.loaded)
        with pytest.raises(NotFiniteError, match="version 1 gave nan for row 0"):
            served.predict(Rows(names, [[1.0] * 30]))


def test_a_model_that_kills_its_process_is_refused_after_the_second_time(tmp_path, yard, tumours):
    yard.deploy(yard.publish(tumours))
    program = (
        "import os, sys, pathlib; from mlops_provider.serving.loading import LoadingMarks;"
        "from mlops_provider.store.services import read_service; from mlops_provider.store.store import Store;"
        "store = Store(sys.argv[1]); version = read_service(store, 'tumour', 'production').primary;"
        "LoadingMarks(1, pathlib.Path(sys.argv[2])).guard(lambda *_: os._exit(9))(store, version)"
    )
    command = [sys.executable, "-c", program, yard.store.url, str(tmp_path / "marks")]
    deaths = [subprocess.run(command, check=False).returncode for _ in range(2)]
    version = read_service(yard.store, *SERVICE).primary

    guarded = LoadingMarks(1, tmp_path / "marks").guard(load_served)
    with pytest.raises(ModelLoadError, match="2 server processes died while they loaded version 1"):
        guarded(yard.store, version)

    assert deaths == [9, 9]
    assert guarded(yard.store, version).version == version  # whoever deploys it again gives it another chance


@pytest.mark.timeout(200)
def test_a_model_that_fails_is_answered_for_by_the_alternate(yard, tumours):
    """The model takes what is asked, and fails: a regressor whose numbers overflow, beside one that cannot."""
    from mlops_provider.serving.lineup import Lineup

    yard.deploy(yard.publish(tumours, "1", regress=True))
    good = load_served(yard.store, read_service(yard.store, *SERVICE).primary)
    yard.deploy(yard.publish(tumours, "2", regress=True, seed=3))
    bad = load_served(yard.store, read_service(yard.store, *SERVICE).primary)
    bad.loaded.pipeline.steps[-1][1]._baseline_prediction[:] = np.nan  # it breaks after its golden rows were right

    answer, entries = ask_in_process(yard, Lineup((bad,), alternate=good), tumours.head(2))
    alone, _ = ask_in_process(yard, Lineup((bad,)), tumours.head(2))

    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == "1"
    said = [(entry.role, entry.served.version.version, entry.status) for entry in entries]
    assert said == [("primary", "2", 500), ("fallback", "1", 200)]  # the failure is on record, the client got an answer
    assert alone.status_code == 500
    assert json.loads(alone.content)["error"] == "the server failed; its log says why"


def ask_in_process(yard, lineup, frame):
    """Send one request to the application with a line-up, without a network."""
    import asyncio

    from mlops_provider.serving.app import create_app
    from mlops_provider.serving.callers import Callers
    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.follower import Follower
    from mlops_provider.serving.limits import Limits
    from mlops_provider.serving.predictions import Predictions
    from mlops_provider.serving.predictor import Predictor
    from mlops_provider.serving.request_log import RequestLog
    from mlops_provider.serving.shadows import Shadows
    from mlops_provider.serving.telemetry import Telemetry

    kept, telemetry = [], Telemetry()
    follower = Follower(yard.store, "test", lambda _: "", only=SERVICE)
    follower.hosts[SERVICE].lineup = lineup
    directory = Directory(follower, Callers())
    predictions = Predictions(
        directory, Predictor(Limits()), Shadows(kept, telemetry), kept, telemetry, RequestLog("none")
    )
    app = create_app(directory, predictions, telemetry)

    async def send():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.post("/invocations", json=yard.body(frame))

    return asyncio.run(send()), kept
