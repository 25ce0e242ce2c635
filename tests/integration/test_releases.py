"""A canary in a real Airflow: its steps are waited for in the triggerer; a person who ends the task takes it back."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from mlops_provider.store.services import read_service, service_history
from mlops_provider.store.standing import read_standing
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

WORKFLOW = """
workflow: steps
parameters:
  smoothing: {type: float, default: 1.0e-9}
  lasts: {type: string, default: 2s}
notify: [{on: "live:rolled_back,released", to: owner}]
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows, stratify: target}
  model:
    type: train
    data: parts.train
    target: target
    estimator: sklearn.naive_bayes.GaussianNB
    parameters: {var_smoothing: "{{ params.smoothing }}"}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy > 0.5"]}
  version: {type: register, model: model, after: quality}
  live:
    type: release
    model: version
    strategy: canary
    steps: [{weight: 40, for: "{{ params.lasts }}"}]
    minimum_requests: 10
    every: 1s
    watch: ["error_rate == 0"]
"""


class Clients:
    """Ask the service."""

    def __init__(self, server):
        self.url = f"{server.url}/steps/production/invocations"
        names = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
        self.body = {"dataframe_split": {"columns": names, "data": [[5.1, 3.5, 1.4, 0.2]]}}

    def ask(self, requests=10):
        for _ in range(requests):
            httpx.post(self.url, json=self.body, timeout=10).raise_for_status()


@pytest.fixture(scope="module")
def first(airflow, server, home):
    """Release the first version."""
    (home.workflows / "steps.yaml").write_text(WORKFLOW)
    airflow.wait_for_dag("steps")
    run = airflow.trigger("steps")
    assert airflow.wait_for_run("steps", run)["state"] == "success"
    return Store(home.store)


def wait_for(condition, what):
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def wait_until_deferred(airflow, run):
    """Wait until a triggerer has the task and has looked at it."""

    def waits():
        return airflow.tasks("steps", run)["live"]["state"] == "deferred" and logs(airflow, run)

    wait_for(waits, "the release does not wait in the triggerer")


def logs(airflow, run):
    """Give what the triggerer wrote for the task."""
    return list(airflow.home.root.rglob(f"*{run}*/task_id=live/*.trigger.*.log"))


def test_a_canary_waits_in_the_triggerer_goes_on_and_is_taken_back_by_whoever_ends_it(airflow, server, first, inbox):
    store, clients = first, Clients(server)

    held = airflow.trigger("steps", {"smoothing": 1e-3})
    wait_until_deferred(airflow, held)
    while airflow.run("steps", held)["state"] not in {"success", "failed"}:
        clients.ask()
    ended = airflow.run("steps", held)["state"]
    champion = read_standing(store, "steps").champion.version

    stopped = airflow.trigger("steps", {"smoothing": 1e-2, "lasts": "1h"})
    wait_until_deferred(airflow, stopped)
    shares = {version.version: version.weight for version in read_service(store, "steps", "production").versions}
    path = f"/dags/steps/dagRuns/{stopped}/taskInstances/live"
    airflow.call("PATCH", path, {"new_state": "failed"})
    wait_for(lambda: read_service(store, "steps", "production").rollout is None, "the release is not taken back")

    assert (ended, champion) == ("success", "2")
    assert shares == {"2": 60, "3": 40}
    service = read_service(store, "steps", "production")
    assert ({version.version: version.weight for version in service.versions}, service.rollout) == ({"2": 100}, None)
    assert (service.change.action, read_standing(store, "steps").champion.version) == ("rollback", "2")
    assert "ended by a person while a step lasted" in service.change.reason
    actions = [state.change.action for state in service_history(store, "steps", "production")]
    assert actions == ["release", "release", "weights", "release", "release", "weights", "rollback"]
    told = [message["event"] for _, message in inbox.messages if message.get("workflow") == "steps"]
    assert told.count("released") >= 1, json.dumps(told)
