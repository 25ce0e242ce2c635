"""Without a loader in Python: the workflow file is the DAG file, on a real Airflow of its own."""

from __future__ import annotations

import time

import pytest

from mlops_dag_factory.local.airflow import LocalAirflow
from mlops_dag_factory.local.home import LocalHome

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

WORKFLOW = """
workflow: direct
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows}
monitor: {schedule: null, checks: {data_drift: {share: 0.5}}}
"""


@pytest.fixture(scope="module")
def importing(tmp_path_factory):
    home = LocalHome(tmp_path_factory.mktemp("importer"))
    home.create()
    (home.dags / "load_workflows.py").unlink()
    (home.dags / "direct.yaml").write_text(WORKFLOW)
    (home.dags / "broken.yaml").write_text("workflow: broken\nphases:\n  rows: {type: ingst}\n")
    (home.dags / "values.yaml").write_text("replicas: 3\nimage: something-else\n")
    with LocalAirflow(home, settings={"AIRFLOW__MLOPS__IMPORT_YAML": "True"}) as running:
        yield running


def test_a_workflow_file_is_a_dag_file_and_runs(importing):
    importing.wait_for_dag("direct")
    importing.wait_for_dag("direct.monitor")

    run = importing.wait_for_run("direct", importing.trigger("direct"))
    assert run["state"] == "success"
    assert importing.call("GET", "/dagSources/direct")["content"] == WORKFLOW
    assert importing.call("GET", "/dags/direct")["relative_fileloc"] == "direct.yaml"


def test_a_broken_file_is_an_import_error_with_its_line_and_other_yaml_is_left_alone(importing):
    deadline = time.monotonic() + 60
    while not (errors := importing.call("GET", "/importErrors")["import_errors"]):
        assert time.monotonic() < deadline
        time.sleep(0.5)

    [error] = errors
    assert error["filename"].endswith("broken.yaml")
    assert "broken.yaml:3:16" in error["stack_trace"]
    assert "did you mean 'ingest'?" in error["stack_trace"]
