"""Where values come from, and the Python that makes the same workflow."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from tests.dag_factory.workflows import workflows

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.reading import read_workflow
from mlops_dag_factory.render import to_python

FULL = Path(__file__).parents[1] / "workflows" / "language" / "full.yaml"
FILE = """
workflow: w
include: _shared.yaml
phases:
  rows: {source: mine.csv}
profiles:
  production: {phases: {rows: {deduplicate: true}}}
"""


def run_python(text):
    space = {}
    exec(text, space)
    return space["workflow"]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=100)
@given(workflows())
def test_the_python_makes_an_equal_workflow(workflow):
    assert run_python(to_python(workflow)) == workflow


def test_the_command_prints_python_and_one_file(tmp_path):
    python = CliRunner().invoke(mlops, ["render", str(FULL), "--python"])
    assert run_python(python.output) == read_workflow(FULL)

    (tmp_path / "one.yaml").write_text(CliRunner().invoke(mlops, ["render", str(FULL), "--yaml"]).output)
    assert read_workflow(tmp_path / "one.yaml") == read_workflow(FULL)


def test_every_value_has_its_origin(tmp_path):
    (tmp_path / "w.yaml").write_text(FILE)
    (tmp_path / "_shared.yaml").write_text("phases: {rows: {type: ingest, keys: [a]}}\n")

    run = CliRunner().invoke(mlops, ["render", str(tmp_path / "w.yaml"), "--profile", "production", "--all", "--json"])
    origins = {value["path"]: value["origin"] for value in json.loads(run.output)}

    assert origins["phases.rows.source"] == f"{tmp_path / 'w.yaml'}:5"
    assert origins["phases.rows.keys"] == f"{tmp_path / '_shared.yaml'}:1"
    assert origins["phases.rows.deduplicate"] == f"{tmp_path / 'w.yaml'}:7 (profile production)"
    assert origins["phases.rows.timestamp"] == "default"
    assert origins["owner"] == "default"


def test_sarif_names_the_rule_the_place_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.yaml").write_text("workflow: w\nphases:\n  rows: {type: ingst, source: a.csv}\n")

    run = CliRunner().invoke(mlops, ["validate", str(tmp_path / "w.yaml"), "--sarif"])
    log = json.loads(run.output)

    assert run.exit_code == 1
    assert log["version"] == "2.1.0"
    [entry] = log["runs"]
    [result] = entry["results"]
    assert entry["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "phase-type"
    assert result["level"] == "error"
    assert "did you mean 'ingest'?" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "w.yaml"}, "region": {"startLine": 3, "startColumn": 16}}
