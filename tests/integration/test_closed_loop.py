"""A new YAML file for a CSV, through a real Airflow and a real model server, until drift makes it run again."""

from __future__ import annotations

import re
import time

import httpx
import pandas as pd
import pytest

from mlops_provider.runtime.monitor.decide import read_decisions
from mlops_provider.store.services import read_service
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

WORKFLOW = """
workflow: rain
description: Says from the day's weather whether it rains.
owner: weather
tags: [test]
parameters:
  strength: {type: float, default: 1.0, minimum: 0.001, maximum: 100, description: Inverse regularisation.}
defaults: {retry_delay: 1s}
notify: [{on: "monitor:retrain", to: owner}]
phases:
  days: {type: ingest, source: noaa_weather.csv, columns: {target: integer}}
  checked: {type: validate, data: days, columns: {target: {allowed: [0, 1]}}, rules: ["row_count > 1000"]}
  parts: {type: split, data: checked, test: 0.3, by: order}
  model:
    type: train
    data: parts.train
    target: target
    estimator: sklearn.linear_model.LogisticRegression
    parameters: {C: "{{ params.strength }}", max_iter: 1000}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy >= 0.6", "roc_auc >= champion.roc_auc"]}
  version: {type: register, model: model, after: quality}
  approval: {type: approve, evidence: quality}
  live: {type: release, model: version, after: approval}
monitor:
  schedule: null
  window: {rows: 300}
  checks: {data_drift: {share: 0.5, threshold: 0.3}}
  policy: {minimum_rows: 200, consecutive: 1, remind: 0s, cooldown: 1h, per_week: 5}
  on_breach: [notify, retrain]
  notify: owner
"""


@pytest.fixture(scope="module")
def weather(data_folder) -> pd.DataFrame:
    return pd.read_csv(data_folder / "noaa_weather.csv")


@pytest.fixture(scope="module")
def released(airflow, server, home, data_folder):
    """Drop the file, trigger, approve, wait; give the ids of the run."""
    (home.data / "noaa_weather.csv").write_bytes((data_folder / "noaa_weather.csv").read_bytes())
    (home.workflows / "rain.yaml").write_text(WORKFLOW)
    airflow.wait_for_dag("rain")
    airflow.wait_for_dag("rain.monitor")
    run_id = airflow.trigger("rain", {"strength": 0.5})
    question = airflow.wait_for_question("rain", run_id, "approval")
    airflow.answer("rain", run_id, "approval", "Approve")
    run = airflow.wait_for_run("rain", run_id)
    return run_id, run, question


def send(server, rows: pd.DataFrame) -> list[int]:
    features = rows.drop(columns="target")
    body = {"dataframe_split": {"columns": list(features.columns), "data": features.to_numpy().tolist()}}
    return (
        httpx.post(f"{server.url}/rain/production/invocations", json=body, timeout=30)
        .raise_for_status()
        .json()["predictions"]
    )


def check(airflow) -> str:
    time.sleep(2.5)  # the prediction log is written once a second
    run_id = airflow.trigger("rain.monitor")
    assert airflow.wait_for_run("rain.monitor", run_id)["state"] == "success"
    return run_id


def test_a_dropped_file_runs_with_its_parameters(airflow, released):
    run_id, run, _ = released

    assert run["state"] == "success"
    rendered = airflow.call("GET", f"/dags/rain/dagRuns/{run_id}/taskInstances/model")["rendered_fields"]
    assert rendered["config"]["parameters"]["C"] == 0.5


def test_parameters_outside_their_bounds_are_refused(airflow, released):
    with pytest.raises(Exception, match="400"):
        airflow.trigger("rain", {"strength": -1})


def test_the_approval_shows_the_verdict_and_records_who_decided(airflow, released, home):
    run_id, _, question = released

    assert "roc_auc" in question["body"]
    assert "passed" in question["body"]
    from mlops_provider.runtime.records import run_records

    [record] = [r for r in run_records(Store(home.store), "rain", run_id) if r["phase"] == "approval"]
    [decision] = record["details"]["decisions"]
    assert (decision["by"]["name"], decision["via"], decision["choice"]) == ("reviewer", "airflow", "approved")


def test_what_a_task_returns_stays_below_one_kilobyte(airflow, released):
    run_id, _, _ = released

    for task in ("days", "parts", "model", "quality", "version", "live"):
        path = f"/dags/rain/dagRuns/{run_id}/taskInstances/{task}/xcomEntries/return_value"
        assert len(str(airflow.call("GET", path)["value"])) < 1400, task


def test_the_service_answers(server, weather, released):
    predictions = send(server, weather.tail(100))

    assert set(predictions) <= {0, 1}
    assert (pd.Series(predictions).to_numpy() == weather.tail(100)["target"].to_numpy()).mean() > 0.6


def test_quiet_traffic_is_no_breach_and_drifted_traffic_gives_one_retraining(airflow, server, home, weather, released):
    send(server, weather.sample(300, random_state=1))
    quiet = check(airflow)
    assert airflow.tasks("rain.monitor", quiet)["retrain"]["state"] == "skipped"

    drifted = weather.sample(300, random_state=2)
    drifted = drifted.assign(**{name: drifted[name] * 1.5 + 20 for name in drifted.columns if name != "target"})
    send(server, drifted)
    for _ in range(3):
        check(airflow)

    deadline = time.monotonic() + 60
    while not (runs := [r for r in airflow.runs("rain") if r["run_type"] == "asset_triggered"]):
        assert time.monotonic() < deadline, "no retraining run appeared"
        time.sleep(0.5)
    assert len(runs) == 1
    [event] = airflow.triggering_events("rain", runs[0]["dag_run_id"])
    assert "features drifted" in event["extra"]["why"]
    decisions = read_decisions(Store(home.store), "rain", "production")
    assert [d["actions"] for d in decisions] == [[], ["notify", "retrain"], ["notify"], ["notify"]]
    assert "no retraining: the one asked for at" in decisions[-1]["why"]
    airflow.wait_for_question("rain", runs[0]["dag_run_id"], "approval")
    airflow.answer("rain", runs[0]["dag_run_id"], "approval", "Reject", {"reason": "not on a Friday"})
    assert airflow.wait_for_run("rain", runs[0]["dag_run_id"])["state"] == "success"
    assert airflow.tasks("rain", runs[0]["dag_run_id"])["live"]["state"] == "skipped"
    assert read_service(Store(home.store), "rain", "production").primary.version == "1"


def test_the_owner_is_told_of_every_breach_once_even_when_the_inbox_failed(inbox, airflow, home, released):
    assert inbox.calls == 5, "three breaches, one retraining, and the first call was refused"
    breaches = [(header, message) for header, message in inbox.messages if message["event"] == "breach"]
    assert [message["actions"] for _, message in breaches] == [["notify", "retrain"], ["notify"], ["notify"]]
    [retrain] = [message for _, message in inbox.messages if message["event"] == "retrain"]
    assert (retrain["workflow"], retrain["phase"]) == ("rain", "monitor.retrain")
    header, first = breaches[0]
    assert header == "Bearer let-me-in"
    assert (first["workflow"], first["owner"], first["event"]) == ("rain", "weather", "breach")
    assert "features drifted" in first["why"]
    logs = "".join(file.read_text() for file in (home.root / "logs").rglob("*.log") if "notify" in str(file))
    assert "let-me-in" not in logs


def test_a_broken_file_is_an_import_error_of_its_own(airflow, home, released):
    (home.workflows / "broken.yaml").write_text("workflow: broken\nphases:\n  a: {type: trian, data: b}\n")

    deadline = time.monotonic() + 60
    while not (errors := airflow.call("GET", "/importErrors")["import_errors"]):
        assert time.monotonic() < deadline, "no import error appeared"
        time.sleep(0.5)
    (home.workflows / "broken.yaml").unlink()
    assert errors[0]["filename"] == "workflows/broken.yaml"
    assert "broken.yaml:3:13" in errors[0]["stack_trace"]
    assert "did you mean 'train'" in errors[0]["stack_trace"]
    airflow.wait_for_dag("rain")


def test_the_console_asks_who_you_are(airflow, released):
    run_id, _, _ = released
    address = f"{airflow.url}/mlops/dags/rain/runs/{run_id}/phases/quality"

    assert httpx.get(address).status_code == 401
    token = airflow._clients["admin"].headers["Authorization"]
    page = httpx.get(address, headers={"Authorization": token, "Accept": "text/html"})
    assert page.status_code == 200
    assert "roc_auc" in page.text
    report = re.search(r"/mlops/dags/rain/reports/[^/]+/", page.text)[0]
    evidently = f"{airflow.url}{report}evidently.html"
    assert httpx.get(evidently).status_code == 401
    made = httpx.get(evidently, headers={"Authorization": token}, timeout=60)  # nobody has opened it before
    assert made.status_code == 200
    assert "sandbox" in made.headers["Content-Security-Policy"]
    assert "Classification" in made.text
    missing = httpx.get(f"{airflow.url}{report}nothing.html", headers={"Authorization": token})
    assert missing.status_code == 404
    assert "it has: evidently.parquet, report.html" in missing.text
