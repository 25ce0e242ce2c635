"""The loader: a folder of files, one bad file, one wanted DAG."""

from __future__ import annotations

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from mlops_dag_factory.cache import SpecCache
from mlops_dag_factory.loader import BrokenWorkflow, folder_dags

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
    return {dag.dag_id: dag for dag in folder_dags(folder, base=folder, cache=SpecCache(folder, folder / ".cache"))}


def test_every_file_becomes_its_dags(folder):
    assert set(load(folder)) == {"rain", "wind", "wind.monitor", "snow", "snow.monitor"}


@pytest.mark.parametrize("noted", [True, False], ids=["known", "first"])
@pytest.mark.parametrize("wanted", ["rain", "wind", "wind.monitor", "snow", "snow.monitor"])
def test_only_the_wanted_dag_is_compiled(folder, monkeypatch, wanted, noted):
    if noted:
        load(folder)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", wanted)
    read = []
    original = SpecCache.read
    monkeypatch.setattr(SpecCache, "read", lambda at, file, *args: read.append(file.name) or original(at, file, *args))

    assert set(load(folder)) == {wanted}
    assert read == [{"rain": "rain.yaml", "wind": "wind.yaml", "snow": "other_name.yml"}[wanted.partition(".")[0]]]


def test_files_and_folders_that_start_with_an_underscore_are_parts_and_no_workflows(folder):
    (folder / "_shared.yaml").write_text("phases: {}\n")
    (folder / "_parts").mkdir()
    (folder / "_parts" / "more.yaml").write_text("phases: {}\n")

    assert set(load(folder)) == {"rain", "wind", "wind.monitor", "snow", "snow.monitor"}


def test_the_profile_of_the_deployment_is_laid_over_every_file(folder, monkeypatch):
    text = GOOD.format(id="rain") + "profiles: {production: {tags: [live]}}\n"
    (folder / "rain.yaml").write_text(text)

    assert load(folder)["rain"].tags == set()
    monkeypatch.setenv("MLOPS_PROFILE", "production")
    assert load(folder)["rain"].tags == {"live"}


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


def test_the_file_that_is_named_like_the_id_has_it_in_the_processor_and_in_a_task(folder, monkeypatch):
    (folder / "a.yaml").write_text(GOOD.format(id="rain").replace("phases", "tags: [impostor]\nphases"))

    dags = load(folder)
    assert dags["rain"].tags == set()
    assert "the id 'rain' is taken by rain.yaml" in str(dags["broken.a"].error)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "rain")
    assert load(folder)["rain"].tags == set()


def test_an_operator_that_may_not_be_used_breaks_only_its_file(folder):
    phase = "{type: operator, operator: subprocess.Popen, arguments: {}}"
    (folder / "d.yaml").write_text(f"workflow: d\nphases: {{x: {phase}}}\n")

    dags = load(folder)

    assert "rain" in dags
    assert "may not be imported" in str(dags["broken.d"].error)
