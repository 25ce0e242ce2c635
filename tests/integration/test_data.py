"""The data half on a real Airflow: waiting for files, data that starts other workflows, a person who overrides."""

from __future__ import annotations

import time

import pytest

from mlops_dag_factory.local.airflow import LocalAirflowError
from mlops_provider.runtime.records import run_records
from mlops_provider.store.chain import Chain
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

ARRIVALS = """
workflow: arrivals
phases:
  rows:
    type: ingest
    source: inbox/*.csv
    incremental: {files: true}
    wait: {files: 2, every: 1s, timeout: 5m}
    publish: true
"""
READER = """
workflow: reader
schedule: {assets: ["x-mlops://data/arrivals/rows"]}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
"""
DOUBTFUL = """
workflow: doubtful
roles: {steward: {users: [admin]}}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  checked: {type: validate, data: rows, rules: ["row_count > 1000"], on_fail: ask, override: {roles: steward}}
  parts: {type: split, data: checked}
"""


def records(home, workflow, run_id):
    return {record["phase"]: record for record in run_records(Store(home.store), workflow, run_id)}


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return found


def test_a_run_waits_for_files_without_a_worker_and_its_data_starts_another_workflow(airflow, home):
    (home.workflows / "arrivals.yaml").write_text(ARRIVALS)
    (home.workflows / "reader.yaml").write_text(READER)
    airflow.wait_for_dag("arrivals")
    airflow.wait_for_dag("reader")
    inbox = home.data / "inbox"
    inbox.mkdir()

    run_id = airflow.trigger("arrivals")
    wait_for(lambda: airflow.tasks("arrivals", run_id)["rows.wait"]["state"] == "deferred")
    (inbox / "a.csv").write_text("n\n1\n2\n")
    time.sleep(4)
    assert airflow.tasks("arrivals", run_id)["rows.wait"]["state"] == "deferred"
    (inbox / "b.csv").write_text("n\n3\n")

    assert airflow.wait_for_run("arrivals", run_id)["state"] == "success"
    rows = records(home, "arrivals", run_id)["rows"]
    assert rows["metrics"] == {"rows": 3.0, "new_rows": 3.0}
    [reader] = wait_for(lambda: airflow.runs("reader"))
    airflow.wait_for_run("reader", reader["dag_run_id"])
    reason = records(home, "reader", reader["dag_run_id"])["rows"]["reason"]
    assert reason["asset"] == "x-mlops://data/arrivals/rows"
    assert reason["payload"]["digest"] == rows["outputs"]["data"]["digest"]
    assert reason["payload"]["new_rows"] == 3


def test_a_steward_overrides_with_a_reason_and_not_without(airflow, home):
    (home.workflows / "doubtful.yaml").write_text(DOUBTFUL)
    airflow.wait_for_dag("doubtful")

    run_id = airflow.trigger("doubtful")
    question = airflow.wait_for_question("doubtful", run_id, "checked.override")
    assert "row_count = 150: row_count > 1000 does not hold" in question["body"]
    with pytest.raises(LocalAirflowError, match="not a respondent"):
        airflow.answer("doubtful", run_id, "checked.override", "Override", {"reason": "I like it"}, user="reviewer")
    airflow.answer("doubtful", run_id, "checked.override", "Override", {"reason": "  "}, user="admin")
    airflow.wait_for_question("doubtful", run_id, "checked.override")
    airflow.answer(
        "doubtful", run_id, "checked.override", "Override", {"reason": "a small sample will do"}, user="admin"
    )

    assert airflow.wait_for_run("doubtful", run_id)["state"] == "success"
    found = records(home, "doubtful", run_id)
    assert found["checked"]["verdict"]["status"] == "blocked"
    [entry] = Chain(Store(home.store), "doubtful").entries("override/checked")
    assert found["checked.override"]["details"] == {
        "overridden": True,
        "by": "admin",
        "reason": "a small sample will do",
        "entry": {"chain": "doubtful", "number": 1, "hash": entry.hash},
    }
    assert (entry.kind, entry.by, entry.reason) == ("overridden", "admin", "a small sample will do")
    assert found["parts"]["status"] == "succeeded"


def test_a_stop_fails_the_run_and_nothing_goes_on(airflow, home, inbox):
    airflow.wait_for_dag("doubtful")

    run_id = airflow.trigger("doubtful")
    airflow.wait_for_question("doubtful", run_id, "checked.override")
    airflow.answer("doubtful", run_id, "checked.override", "Stop", {"reason": "no"}, user="admin")

    assert airflow.wait_for_run("doubtful", run_id)["state"] == "failed"
    assert airflow.tasks("doubtful", run_id)["parts"]["state"] == "upstream_failed"
    assert records(home, "doubtful", run_id)["checked.override"]["status"] == "rejected"


LABELLED = """
workflow: desk
phases:
  rows: {type: ingest, source: "sklearn:wine"}
  few: {type: transform, data: rows, sql: "SELECT * FROM data LIMIT 4"}
  labels: {type: label, data: few, conn_id: desk, labels: [good, bad], every: 1s, output: taste}
  parts: {type: split, data: labels, test: 0.5}
"""


def test_a_run_waits_for_people_who_label_and_goes_on_with_their_labels(airflow, home, label_server):
    connection = {"connection_id": "desk", "conn_type": "label_studio", "host": "http://127.0.0.1"}
    token = label_server.personal_token
    airflow.call("POST", "/connections", {**connection, "port": label_server.port, "password": token})
    (home.workflows / "desk.yaml").write_text(LABELLED)
    airflow.wait_for_dag("desk")

    run_id = airflow.trigger("desk")
    wait_for(lambda: airflow.tasks("desk", run_id)["labels"]["state"] == "deferred")
    [project] = [
        each["id"]
        for each in label_server.call("GET", "/api/projects").json()["results"]
        if each["title"] == "desk: labels"
    ]
    for number, task in enumerate(label_server.tasks(project)):
        label_server.label(task, "good" if number % 2 else "bad")

    assert airflow.wait_for_run("desk", run_id)["state"] == "success"
    found = records(home, "desk", run_id)
    assert found["labels"]["metrics"] == {"rows": 4.0, "disagreed": 0.0, "annotations": 4.0}
    assert "bad 2, good 2" in found["labels"]["summary"] or "good 2, bad 2" in found["labels"]["summary"]
    assert found["parts"]["metrics"] == {"train_rows": 2.0, "test_rows": 2.0}
    logs = "".join(file.read_text() for file in (home.root / "logs").rglob("*.log") if "dag_id=desk" in str(file))
    assert "tasks are labelled" in logs
    assert token not in logs + "".join(path.read_text() for path in (home.root / "mlops").rglob("*.json"))
