"""Includes, profiles and sub-workflows: what wins, and that every value knows where it stands."""

from __future__ import annotations

import pytest

from mlops_dag_factory.reading import inspect_workflow, read_workflow

FILE = """
workflow: w
include: [_shared.yaml, more/_other.yaml]
parameters:
  size: {type: integer, default: 5}
defaults: {retries: 1}
phases:
  rows: {source: "mine-{{ params.size }}.csv"}
  parts: {type: split, data: rows}
profiles:
  production:
    schedule: "@daily"
    parameters: {size: {default: 500}}
    phases:
      rows: {columns: {y: integer}, deduplicate: null}
      extra: {type: split, data: rows, seed: 7}
"""
SHARED = """
defaults: {retries: 9, timeout: 1h}
phases:
  rows: {type: ingest, source: theirs.csv, deduplicate: true, columns: {x: integer}}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "w.yaml").write_text(FILE)
    (tmp_path / "_shared.yaml").write_text(SHARED)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "_other.yaml").write_text("include: [deeper.yaml]\nphases: {rows: {keys: [x]}}\n")
    (tmp_path / "more" / "deeper.yaml").write_text("phases: {rows: {timestamp: at, keys: [a, b]}}\n")
    return tmp_path / "w.yaml"


def test_the_file_wins_over_what_it_includes_and_later_includes_over_earlier(file):
    workflow = read_workflow(file)

    rows = workflow.phases["rows"]
    assert rows.source == "mine-{{ params.size }}.csv"
    assert (rows.deduplicate, rows.columns, rows.keys, rows.timestamp) == (True, {"x": "integer"}, ["x"], "at")
    assert workflow.defaults.retries == 1
    assert workflow.defaults.timeout.total_seconds() == 3600


def test_a_profile_merges_maps_replaces_values_adds_phases_and_null_removes(file):
    workflow = read_workflow(file, "production")

    rows = workflow.phases["rows"]
    assert rows.columns == {"x": "integer", "y": "integer"}
    assert rows.deduplicate is False
    assert workflow.schedule.cron == "@daily"
    assert workflow.parameters["size"].default == 500
    assert workflow.phases["extra"].seed == 7
    assert "extra" not in read_workflow(file).phases


def test_every_value_knows_its_file_its_line_and_its_layer(file):
    document = inspect_workflow(file, "production").document

    folder = file.parent
    assert document.place(("phases", "rows", "source")) == (str(file), 8, 18)
    assert document.place(("phases", "rows", "columns", "x")) == (str(folder / "_shared.yaml"), 4, 76)
    assert document.place(("phases", "rows", "timestamp")) == (str(folder / "more" / "deeper.yaml"), 1, 28)
    assert document.find(("phases", "extra", "seed"))[0].layer == "profile production"
    assert document.find(("phases", "parts", "data"))[0].layer == ""


def test_an_unknown_profile_is_a_warning_with_the_nearest_name(file):
    reading = inspect_workflow(file, "prodction")

    [problem] = reading.problems
    assert reading.workflow is not None
    assert (problem.severity, problem.code) == ("warning", "profile")
    assert "did you mean 'production'?" in problem.hint


def test_an_included_file_that_points_out_of_the_folder_by_a_link_is_refused(file, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text("phases: {}\n")
    (file.parent / "_shared.yaml").unlink()
    (file.parent / "_shared.yaml").symlink_to(outside)

    messages = [problem.message for problem in inspect_workflow(file).problems]
    assert "'_shared.yaml' lies outside the folder of this workflow" in messages


def test_a_workflow_that_was_read_from_parts_reads_back_from_its_own_yaml(file, tmp_path):
    for profile in ("", "production"):
        workflow = read_workflow(file, profile)
        (tmp_path / "again.yaml").write_text(workflow.to_yaml())

        assert read_workflow(tmp_path / "again.yaml") == workflow


INNER = """
workflow: features
parameters: {least: {type: integer, default: 3}}
phases:
  raw: {type: ingest, source: "sklearn:iris"}
  big: {type: transform, data: raw, sql: "select * from data limit {{ params.least }}"}
"""


def test_a_sub_workflow_brings_its_definition_and_its_mistakes_stand_in_its_own_file(tmp_path):
    outer = "workflow: outer\nphases:\n  features: {type: workflow, workflow: features, inline: true}\n"
    outer += "  parts: {type: split, data: features.big}\n"
    (tmp_path / "outer.yaml").write_text(outer)
    (tmp_path / "features.yaml").write_text(INNER)

    workflow = read_workflow(tmp_path / "outer.yaml")
    assert list(workflow.phases["features"].definition.phases) == ["raw", "big"]

    (tmp_path / "features.yaml").write_text(INNER.replace("sql:", "sq:").replace("data: raw", "data: row"))
    problems = inspect_workflow(tmp_path / "outer.yaml").problems
    assert {problem.file for problem in problems} == {str(tmp_path / "features.yaml")}
    assert "phases.features.definition.phases.big.sq" in [problem.path for problem in problems]
