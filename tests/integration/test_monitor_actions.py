"""Everything that the monitor does about a breach, in one run of a real Airflow over a real model server."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from sklearn.datasets import load_iris

from mlops_provider.runtime.monitor.decide import read_decisions
from mlops_provider.store.chain import Chain
from mlops_provider.store.service_reports import wait_until_ready
from mlops_provider.store.services import Change, ServedVersion, now, read_service, set_version
from mlops_provider.store.store import Store
from mlops_provider.store.todos import list_todos

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

WORKFLOW = """
workflow: alarm
owner: garden
roles: {operators: {users: [reviewer], notify: mail}}
defaults: {retry_delay: 1s}
phases:
  flowers: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: flowers, test: 0.3, by: random, seed: 1}
  model: {type: train, data: parts.train, target: target, estimator: sklearn.naive_bayes.GaussianNB}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy >= 0.5"], slices: none, evidently: false}
  version: {type: register, model: model, after: quality}
  live: {type: release, model: version}
monitor:
  schedule: null
  window: {rows: 150}
  checks: {data_drift: {share: 0.5, threshold: 0.5}}
  policy: {minimum_rows: 100, consecutive: 1}
  on_breach: [notify, {fallback: previous}, retrain, {todo: {role: operators, text: Look at the greenhouse}}, stop]
  notify:
    - role:operators
    - notifier: pagers.FilePager
      arguments: {path: PAGER, text: "{{ message.why }}; {{ message.causes | join('; ') }}"}
"""


def told(mailbox):
    return [message for _, message in mailbox.messages if message.get("workflow") == "alarm"]


@pytest.fixture(scope="module")
def breached(airflow, server, home):
    """Release, take the same model as version 2, send flowers ten times too large, and let the monitor look."""
    pager = home.root / "pager.jsonl"
    (home.workflows / "alarm.yaml").write_text(WORKFLOW.replace("PAGER", str(pager)))
    airflow.wait_for_dag("alarm")
    airflow.wait_for_dag("alarm.monitor")
    run_id = airflow.trigger("alarm")
    assert airflow.wait_for_run("alarm", run_id)["state"] == "success"
    store = Store(home.store)
    first = read_service(store, "alarm", "production").primary
    change = Change(id="by-hand", action="release", by="olga", at=now(), reason="a second one")
    service = set_version(store, "alarm", "production", ServedVersion(version="2", model=first.model), change)
    wait_until_ready(store, service, first.model.digest, 60)
    body = {"dataframe_split": load_iris(as_frame=True).data.mul(10).to_dict(orient="split")}
    httpx.post(f"{server.url}/alarm/production/invocations", json=body, timeout=30).raise_for_status()
    time.sleep(2.5)  # the prediction log is written once a second
    run_id = airflow.trigger("alarm.monitor")
    return run_id, airflow.wait_for_run("alarm.monitor", run_id), pager


def test_every_action_is_done(airflow, home, breached):
    run_id, run, _ = breached

    states = {name: task["state"] for name, task in airflow.tasks("alarm.monitor", run_id).items()}
    assert (run["state"], set(states.values())) == ("success", {"success"}), states
    store = Store(home.store)
    [decision] = read_decisions(store, "alarm", "production")
    assert decision["actions"] == ["notify", "fallback", "retrain", "todo", "stop"]
    kinds = [(e.kind, e.payload.get("version")) for e in Chain(store, "alarm").entries("service/production")]
    assert kinds == [("rolled_back", "1"), ("stopped", "1")], "first back to the version before, then stopped"
    assert read_service(store, "alarm", "production").versions == ()


def test_the_retraining_knows_why_and_since_when(airflow, breached):
    deadline = time.monotonic() + 60
    while not (runs := [run for run in airflow.runs("alarm") if run["run_type"] == "asset_triggered"]):
        assert time.monotonic() < deadline, "no retraining run appeared"
        time.sleep(0.5)
    [event] = airflow.triggering_events("alarm", runs[0]["dag_run_id"])

    assert event["extra"]["window"].startswith("/")
    assert any("(cm) moved by" in said for said in event["extra"]["causes"])


def test_people_are_told_once_each_with_the_cause_and_a_link_that_opens(airflow, breached, mailbox):
    _, _, pager = breached

    [message] = [message for message in told(mailbox) if message["event"] == "breach"]
    assert "features drifted" in message["text"]
    assert any("a second one" in said for said in message["causes"]), "the release before it is a suspect"
    page = httpx.get(message["page"], headers={"Authorization": f"Bearer {airflow.token('admin')}"}, timeout=30)
    assert page.status_code == 200
    assert "<h2>Why</h2>" in page.text
    [line] = pager.read_text().splitlines()
    assert "moved by" in json.loads(line)["text"]


def test_the_to_do_is_the_operators_and_they_tick_it_off(airflow, home, breached):
    [todo] = list_todos(Store(home.store), "alarm")
    assert (todo.text, todo.users) == ("Look at the greenhouse", ("reviewer",))
    address = f"{airflow.url}/mlops/dags/alarm/todos/{todo.id}"
    said = {"json": {"note": "opened a window"}, "timeout": 30}
    admin, reviewer = ({"Authorization": f"Bearer {airflow.token(user)}"} for user in ("admin", "reviewer"))

    assert httpx.post(address, **said).status_code == 401
    refused = httpx.post(address, headers=admin, **said)
    assert (refused.status_code, "may not tick off" in refused.text) == (403, True)
    listed = httpx.get(f"{airflow.url}/mlops/todos", headers=reviewer, timeout=30).json()
    assert todo.id in [each["id"] for each in listed]
    assert httpx.post(address, headers=reviewer, **said).status_code == 200

    [done] = list_todos(Store(home.store), "alarm")
    assert done.note == "opened a window"
