"""Who waits for a model version, in a real Airflow: a sensor in the triggerer, a DAG that is scheduled on the model."""

from __future__ import annotations

import time

import pytest

from mlops_provider.runtime.records import run_records
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

MAKER = """
workflow: maker
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows, stratify: target}
  model: {type: train, data: parts.train, target: target, estimator: sklearn.naive_bayes.GaussianNB}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy > 0.5"]}
  version: {type: register, model: model, after: quality}
  live: {type: release, model: version}
"""
WAITER = """
workflow: waiter
phases:
  newest:
    type: operator
    operator: mlops_provider.sensors.model_version.ModelVersionSensor
    arguments: {name: maker, alias: champion, poll_interval: 1, timeout: 400}
"""
FOLLOWER = """
workflow: follower
schedule: {assets: ["x-mlops://model/maker"]}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
"""


@pytest.fixture(scope="module")
def released(airflow, server, home):
    """Start who waits, then make and release the version; give the runs of maker and waiter."""
    for name, text in (("maker", MAKER), ("waiter", WAITER), ("follower", FOLLOWER)):
        (home.workflows / f"{name}.yaml").write_text(text)
    for name in ("maker", "waiter", "follower"):
        airflow.wait_for_dag(name)
    waiting = airflow.trigger("waiter")
    deadline = time.monotonic() + 120
    while airflow.tasks("waiter", waiting)["newest"]["state"] != "deferred":
        assert time.monotonic() < deadline, "the sensor did not defer"
        time.sleep(0.2)
    made = airflow.trigger("maker")
    assert airflow.wait_for_run("maker", made)["state"] == "success"
    return made, waiting


def test_the_sensor_waits_without_a_worker_and_gives_the_champion(airflow, released):
    _, waiting = released

    assert airflow.wait_for_run("waiter", waiting)["state"] == "success"
    path = f"/dags/waiter/dagRuns/{waiting}/taskInstances/newest/xcomEntries/return_value"
    found = airflow.call("GET", path)["value"]
    assert "'version': '1'" in str(found)
    assert "'name': 'maker'" in str(found)


def test_other_dags_run_on_a_new_version_and_on_a_new_champion(airflow, released):
    deadline = time.monotonic() + 120
    aliases = set()
    while aliases != {"challenger", "champion"}:
        assert time.monotonic() < deadline, f"events so far: {aliases}"
        time.sleep(0.5)
        runs = airflow.runs("follower")
        events = [event for run in runs for event in airflow.triggering_events("follower", run["dag_run_id"])]
        aliases = {event["extra"]["alias"] for event in events}
    assert {event["extra"]["name"] for event in events} == {"maker"}
    assert {event["extra"]["version"] for event in events} == {"1"}
    assert len({event["extra"]["digest"] for event in events}) == 1


def test_the_release_stands_in_the_audit_chain_and_in_its_record(airflow, released, home):
    made, _ = released
    store = Store(home.store)

    [live] = [record for record in run_records(store, "maker", made) if record["phase"] == "live"]

    chain = Chain(store, "maker")
    assert [entry.kind for entry in chain.entries()] == ["registered", "reserved", "champion"]
    assert live["details"]["entry"] == {"chain": "maker", "number": 3, "hash": chain.read(3).hash}
    assert check_chain(chain) == []
