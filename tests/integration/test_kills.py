"""kill -9 of the process that does the work, in a real Airflow: the retry ends with one version and one release."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import contextmanager

import psutil
import pytest

from mlops_provider.runtime import tracking
from mlops_provider.runtime.records import run_records
from mlops_provider.store.services import service_history
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.kill, pytest.mark.timeout(600)]

WORKFLOW = """
workflow: {name}
defaults: {{retries: 3, retry_delay: 1s}}
phases:
  rows: {{type: ingest, source: "sklearn:iris"}}
  parts: {{type: split, data: rows, stratify: target}}
  model: {{type: train, data: parts.train, target: target, {how}}}
  version: {{type: register, model: model}}
  live: {{type: release, model: version}}
"""
QUICK = "estimator: sklearn.linear_model.LogisticRegression, parameters: {max_iter: 1000}"


def start(airflow, home, name: str, how: str = QUICK) -> str:
    (home.workflows / f"{name}.yaml").write_text(WORKFLOW.format(name=name, how=how))
    airflow.wait_for_dag(name)
    return airflow.trigger(name)


def running_process(airflow, name: str, run_id: str, task: str) -> psutil.Process:
    """Wait until a task runs; give the process that does its work."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        instance = airflow.tasks(name, run_id)[task]
        if instance["state"] == "running" and instance["pid"]:
            return psutil.Process(instance["pid"])
        time.sleep(0.05)
    raise AssertionError(f"{task} did not run")


def kill(process: psutil.Process) -> None:
    for victim in [*process.children(recursive=True), process]:
        os.kill(victim.pid, signal.SIGKILL)
    process.wait(10)


def versions(airflow, name: str) -> list[str]:
    uri = airflow.environment()["AIRFLOW__MLOPS__TRACKING_URI"]
    return [str(v.version) for v in tracking.client(uri).search_model_versions(f"name = '{name}'")]


def assert_one_of_each(airflow, home, name: str, run_id: str, killed: str) -> None:
    store = Store(home.store)
    attempts = {r["phase"]: r["attempt"] for r in run_records(store, name, run_id) if r["status"] == "succeeded"}
    assert attempts[killed] >= 2, "the phase was not retried"
    assert versions(airflow, name) == ["1"]
    states = service_history(store, name, "production")
    assert [state.change.action for state in states] == ["release"]
    assert states[-1].primary.version == "1"
    uri = airflow.environment()["AIRFLOW__MLOPS__TRACKING_URI"]
    assert tracking.registered_champion(uri, name).version == "1"


def test_a_worker_killed_while_it_trains(airflow, server, home, tmp_path):
    mark = tmp_path / "fitting"
    run_id = start(airflow, home, "kill_train", f"python: 'slow_parts:fit', parameters: {{mark: {mark}}}")
    deadline = time.monotonic() + 120
    while not mark.exists():
        assert time.monotonic() < deadline, "train did not start"
        time.sleep(0.1)

    kill(psutil.Process(int(mark.read_text())))

    assert airflow.wait_for_run("kill_train", run_id)["state"] == "success"
    assert_one_of_each(airflow, home, "kill_train", run_id, "model")


@contextmanager
def registry_blocked(airflow):
    """Hold the registry's database, so that whoever writes to it waits."""
    path = airflow.environment()["AIRFLOW__MLOPS__TRACKING_URI"].removeprefix("sqlite:///")
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def test_a_worker_killed_while_it_registers(airflow, server, home):
    run_id = start(airflow, home, "kill_register")
    deadline = time.monotonic() + 120
    while airflow.tasks("kill_register", run_id)["model"]["state"] != "success":
        assert time.monotonic() < deadline, "train did not succeed"
        time.sleep(0.02)

    with registry_blocked(airflow):
        process = running_process(airflow, "kill_register", run_id, "version")
        time.sleep(2.5)
        assert versions(airflow, "kill_register") == []
        kill(process)

    assert airflow.wait_for_run("kill_register", run_id)["state"] == "success"
    assert_one_of_each(airflow, home, "kill_register", run_id, "version")


def test_a_worker_killed_while_it_releases(airflow, server, home):
    run_id = start(airflow, home, "kill_release")
    running_process(airflow, "kill_release", run_id, "version")
    os.killpg(server.group.process.pid, signal.SIGSTOP)  # no server takes the new version: the release has to wait
    try:
        process = running_process(airflow, "kill_release", run_id, "live")
        deadline = time.monotonic() + 60
        while not service_history(Store(home.store), "kill_release", "production"):
            assert time.monotonic() < deadline, "the record was not changed"
            time.sleep(0.05)
        kill(process)
    finally:
        os.killpg(server.group.process.pid, signal.SIGCONT)

    assert airflow.wait_for_run("kill_release", run_id)["state"] == "success"
    assert_one_of_each(airflow, home, "kill_release", run_id, "live")
