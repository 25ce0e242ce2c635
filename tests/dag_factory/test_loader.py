"""The loader: a folder of files, one bad file, one wanted DAG."""

from __future__ import annotations

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from mlops_dag_factory import loader
from mlops_dag_factory.loader import BrokenWorkflow, workflow_dags
from mlops_dag_factory.source import workflow_files

GOOD = "workflow: {id}\nphases: {{rows: {{type: ingest, source: x.csv}}}}\n"
WATCHED = GOOD + "monitor: {{checks: {{data_drift: {{share: 0.3}}}}}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", raising=False)
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    (tmp_path / "rain.yaml").write_text(GOOD.format(id="rain"))
    (tmp_path / "wind.yaml").write_text(WATCHED.format(id="wind"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other_name.yml").write_text(WATCHED.format(id="snow"))
    return tmp_path


def load(folder):
    return {dag.dag_id: dag for dag in workflow_dags(workflow_files(folder), base=folder)}


def test_every_file_becomes_its_dags(folder):
    assert set(load(folder)) == {"rain", "wind", "wind.monitor", "snow", "snow.monitor"}


@pytest.mark.parametrize("wanted", ["rain", "wind", "wind.monitor", "snow", "snow.monitor"])
def test_only_the_wanted_dag_is_compiled(folder, monkeypatch, wanted):
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", wanted)
    read = []
    original = loader.read_workflow
    monkeypatch.setattr(loader, "read_workflow", lambda file, *more: read.append(file.name) or original(file, *more))

    assert set(load(folder)) == {wanted}
    assert read == [{"rain": "rain.yaml", "wind": "wind.yaml", "snow": "other_name.yml"}[wanted.partition(".")[0]]]


def test_a_broken_file_hides_nothing_and_raises_its_problems_when_serialized(folder):
    (folder / "aa.yaml").write_text("workflow: aa\nphases: {rows: {type: ingst, source: x.csv}}\n")

    dags = load(folder)

    assert set(dags) == {"rain", "wind", "wind.monitor", "snow", "snow.monitor", "broken.aa"}
    broken = dags["broken.aa"]
    broken.validate()
    assert isinstance(broken, BrokenWorkflow)
    assert broken.relative_fileloc == "aa.yaml"
    with pytest.raises(Exception, match=r"aa\.yaml:2:23 .*ingst"):
        DagSerialization.to_dict(broken)


def test_outside_the_dag_processor_a_broken_file_is_left_out(folder, monkeypatch):
    (folder / "aa.yaml").write_text("workflow: aa\nphases: 3\n")
    monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT")

    assert set(load(folder)) == {"rain", "wind", "wind.monitor", "snow", "snow.monitor"}


def test_an_id_that_is_taken_is_a_problem_of_the_second_file(folder):
    (folder / "z.yaml").write_text(GOOD.format(id="rain"))

    broken = load(folder)["broken.z"]

    assert "the id 'rain' is taken by rain.yaml" in str(broken.error)


def test_an_operator_that_may_not_be_used_breaks_only_its_file(folder):
    phase = "{type: operator, operator: subprocess.Popen, arguments: {}}"
    (folder / "d.yaml").write_text(f"workflow: d\nphases: {{x: {phase}}}\n")

    dags = load(folder)

    assert "rain" in dags
    assert "may not be imported" in str(dags["broken.d"].error)
