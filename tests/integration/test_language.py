"""The whole language on a real Airflow: items, conditions, questions with wrong answers, scenes, sub-workflows."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from mlops_provider.runtime.records import run_records
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

WORKFLOWS = Path(__file__).parents[1] / "workflows" / "language"
OUTER = """
workflow: outer
notify: [{on: "rows:succeeded,failed", to: owner}, {on: "parts:blocked", to: owner}]
phases:
  rows: {type: workflow, workflow: inner, parameters: {least: 50}}
  parts: {type: split, data: rows.big}
"""


PATIENT = """
workflow: patient
schedule: {on_running: cancel}
phases:
  slow:
    type: operator
    operator: airflow.providers.standard.operators.bash.BashOperator
    arguments: {bash_command: "sleep 8"}
  rows: {type: ingest, source: "sklearn:iris", after: slow}
"""
UNANSWERED = """
workflow: unanswered
notify: [{on: "parts:waiting", to: owner}]
parameters:
  share: {type: float, default: 0.5, minimum: 0.1, maximum: 0.9, ask: true, timeout: 3s}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows, test: "{{ params.share }}"}
"""


@pytest.fixture(scope="module")
def full(airflow, home):
    """A run of the full workflow that was asked, was answered wrongly, and then rightly."""
    for file in WORKFLOWS.iterdir():
        shutil.copyfile(file, home.workflows / file.name)
    airflow.wait_for_dag("full")
    airflow.wait_for_dag("inner")
    run_id = airflow.trigger("full", {"preset": "quick", "kinds": ["gini", "nonsense"]})
    first = airflow.wait_for_question("full", run_id, "trees.ask")
    airflow.answer("full", run_id, "trees.ask", "Go on", {"depth": -3})
    second = airflow.wait_for_question("full", run_id, "trees.ask")
    airflow.answer("full", run_id, "trees.ask", "Go on", {"depth": 2})
    return run_id, airflow.wait_for_run("full", run_id), first, second


@pytest.fixture(scope="module")
def records(full, home):
    return {record["phase"]: record for record in run_records(Store(home.store), "full", full[0])}


def states(airflow, run_id, dag_id="full"):
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=200"
    found = airflow.call("GET", path)["task_instances"]
    return {(task["task_id"], task["rendered_map_index"]): task["state"] for task in found}


def test_the_form_of_a_question_has_the_schema_of_the_parameter(full):
    _, _, first, _ = full

    schema = first["params"]["depth"]["schema"]
    assert (schema["type"], schema["minimum"]) == ("integer", 1)
    assert first["params"]["depth"]["value"] == 3


def test_a_wrong_answer_is_asked_again_and_the_right_one_reaches_the_phase(full, records):
    _, _, _, second = full

    assert second["response_received"] is False
    assert records["trees"]["config"]["parameters"] == {"max_depth": 2}
    assert records["trees.ask"]["details"]["by"] == "reviewer"


def test_conditions_items_and_joins_end_as_they_should(airflow, full):
    run_id, run, _, _ = full

    found = states(airflow, run_id)
    assert run["state"] == "success"
    assert found["bayes", None] == found["quality_bayes", None] == "skipped"
    assert found["joined", None] == found["again", None] == "success"
    assert (found["fleet", "gini"], found["fleet_quality", "gini"]) == ("success", "success")
    assert (found["fleet", "nonsense"], found["fleet_quality", "nonsense"]) == ("failed", "skipped")
    assert found["fleet_quality.summary", None] == "success"


def test_the_trigger_form_offers_presets_and_scenes(airflow, full):
    params = airflow.call("GET", "/dags/full/details")["params"]

    assert params["preset"]["schema"]["enum"] == ["none", "quick"]
    assert params["scene"]["schema"]["enum"] == ["none", "training"]
    assert "depth" not in params  # it is asked for later


def test_the_code_view_shows_the_workflow_file(airflow, full, home):
    source = airflow.call("GET", "/dagSources/full")["content"]

    assert source == (home.workflows / "full.yaml").read_text()


def test_a_version_is_made_when_the_meaning_changes_and_only_then(airflow, full, home):
    def versions():
        return airflow.call("GET", "/dags/inner/dagVersions")["total_entries"]

    def parse_anew(text):
        before = airflow.call("GET", "/dags/inner")["last_parsed_time"]
        (home.workflows / "inner.yaml").write_text(text)
        deadline = time.monotonic() + 60
        while airflow.call("GET", "/dags/inner")["last_parsed_time"] == before:
            assert time.monotonic() < deadline
            time.sleep(0.5)

    text = (WORKFLOWS / "inner.yaml").read_text()
    airflow.wait_for_run("inner", airflow.trigger("inner"))  # a version that has run is kept
    assert versions() == 1
    parse_anew(f"# a remark\n{text}")
    parse_anew(f"# a remark\n{text}")
    assert versions() == 1
    parse_anew(text.replace("default: 1", "default: 2"))
    parse_anew(text.replace("default: 1", "default: 2"))
    assert versions() == 2
    assert "default: 2" in airflow.call("GET", "/dagSources/inner")["content"]


def test_a_scene_runs_only_its_phases_on_what_the_last_run_gave(airflow, full, home, records):
    run_id = airflow.trigger("full", {"scene": "training", "depth": 4})
    run = airflow.wait_for_run("full", run_id)

    assert run["state"] == "success"
    scene = {record["phase"]: record for record in run_records(Store(home.store), "full", run_id)}
    assert set(scene) == {"trees.ask", "trees", "quality"}
    assert scene["trees"]["inputs"]["data"] == [records["parts"]["outputs"]["train"]]


def test_another_workflow_runs_as_a_run_of_its_own_and_its_outputs_come_back(airflow, full, home, inbox):
    (home.workflows / "outer.yaml").write_text(OUTER)
    airflow.wait_for_dag("outer")

    run_id = airflow.trigger("outer")
    assert airflow.wait_for_run("outer", run_id)["state"] == "success"

    outer = {record["phase"]: record for record in run_records(Store(home.store), "outer", run_id)}
    [inner] = [run for run in airflow.runs("inner") if run["dag_run_id"] == f"outer.rows__{run_id}"]
    assert inner["state"] == "success"
    assert outer["parts"]["inputs"]["data"][0]["rows"] == 50
    deadline = time.monotonic() + 20  # people are told after the task has ended
    while not (told := [message for _, message in inbox.messages if message.get("phase") == "rows"]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert [(message["event"], message["workflow"], message["run"]) for message in told] == [
        ("succeeded", "outer", run_id)
    ]


def test_a_newer_run_ends_the_one_that_runs_before_its_next_phase(airflow, home):
    (home.workflows / "patient.yaml").write_text(PATIENT)
    airflow.wait_for_dag("patient")

    first = airflow.trigger("patient")
    deadline = time.monotonic() + 60
    while airflow.tasks("patient", first)["slow"]["state"] != "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    second = airflow.trigger("patient")
    airflow.wait_for_run("patient", first)
    airflow.wait_for_run("patient", second)

    assert airflow.tasks("patient", first)["rows"]["state"] == "skipped"
    assert airflow.tasks("patient", second)["rows"]["state"] == "success"


def test_a_newer_run_is_skipped_while_one_runs(airflow, home):
    text = PATIENT.replace("patient", "polite").replace("sleep 8", "sleep 70")
    (home.workflows / "polite.yaml").write_text(
        text.replace("on_running: cancel", 'cron: "* * * * *", on_running: skip')
    )
    airflow.wait_for_dag("polite")

    deadline = time.monotonic() + 240
    while len(runs := airflow.runs("polite")) < 2 or runs[1]["state"] not in {"success", "failed"}:
        assert time.monotonic() < deadline
        time.sleep(1)
    airflow.call("PATCH", "/dags/polite", {"is_paused": True})

    first, second = (airflow.tasks("polite", run["dag_run_id"]) for run in runs[:2])
    assert first["rows"]["state"] == "success"
    assert {task["state"] for task in second.values()} == {"skipped"}


def test_people_are_told_that_a_run_waits_and_without_an_answer_the_default_is_taken(airflow, home, inbox):
    (home.workflows / "unanswered.yaml").write_text(UNANSWERED)
    airflow.wait_for_dag("unanswered")

    run_id = airflow.trigger("unanswered")
    assert airflow.wait_for_run("unanswered", run_id)["state"] == "success"

    records = {record["phase"]: record for record in run_records(Store(home.store), "unanswered", run_id)}
    assert records["parts"]["outputs"]["test"]["rows"] == 75
    assert "the default: nobody answered in time" in records["parts.ask"]["summary"]
    told = [message for _, message in inbox.messages if message["workflow"] == "unanswered"]
    assert [(message["event"], message["phase"], message["run"]) for message in told] == [("waiting", "parts", run_id)]
