"""Two versions compared by meaning."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from tests.dag_factory.workflows import workflows

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.difference import differences, touched_phases
from mlops_dag_factory.reading import read_text

BEFORE = """
workflow: rain
schedule: "@daily"
phases:
  days: {type: ingest, source: days.csv}
  parts: {type: split, data: days}
  model: {type: train, data: parts.train, target: wet, estimator: sklearn.svm.SVC, parameters: {C: 1.0}}
  quality: {type: evaluate, model: model, data: parts.test}
"""
AFTER = """
# the same, written otherwise, and with another model
phases:
  days: {source: days.csv, type: ingest, deduplicate: false}
  parts: {type: split, data: days}
  model:
    type: train
    data: parts.train
    target: wet
    estimator: sklearn.svm.SVC
    parameters: {C: 2.0, gamma: auto}
  quality: {type: evaluate, model: model, data: parts.test}
  version: {type: register, model: model, after: quality}
schedule: {cron: "@weekly"}
workflow: rain
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "before.yaml").write_text(BEFORE)
    (tmp_path / "after.yaml").write_text(AFTER)
    return [str(tmp_path / "before.yaml"), str(tmp_path / "after.yaml")]


def test_only_what_means_something_else_is_reported(files):
    run = CliRunner().invoke(mlops, ["diff", *files])

    assert run.exit_code == 1
    assert run.output == (
        "~ schedule.cron: '@daily' -> '@weekly'\n"
        "~ phases.model.parameters.C: 1.0 -> 2.0\n"
        "+ phases.model.parameters.gamma: 'auto'\n"
        '+ phases.version: {"after": ["quality"], "type": "register", "model": "model", "challenger": true}\n'
        "phases whose work may change: model, quality, version\n"
    )


def test_equal_versions_exit_with_zero_and_unreadable_ones_with_two(files, tmp_path):
    same = CliRunner().invoke(mlops, ["diff", files[0], files[0]])
    assert (same.exit_code, same.output) == (0, "they mean the same\n")

    (tmp_path / "broken.yaml").write_text("workflow: rain\nphases: {days: {type: ingst}}\n")
    broken = CliRunner().invoke(mlops, ["diff", files[0], str(tmp_path / "broken.yaml")])
    assert broken.exit_code == 2
    assert "did you mean 'ingest'?" in broken.output


def test_json_has_all_changes(files):
    found = json.loads(CliRunner().invoke(mlops, ["diff", *files, "--json"]).output)

    assert found["phases"] == ["model", "quality", "version"]
    assert {"path": "schedule.cron", "kind": "changed", "before": "@daily", "after": "@weekly"} in found["changes"]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=50)
@given(workflows())
def test_a_workflow_does_not_differ_from_itself_and_a_changed_leaf_is_seen(workflow):
    assert differences(workflow, read_text(workflow.to_yaml())) == []

    other = workflow.model_copy(update={"owner": workflow.owner + "x"})
    assert [change.path for change in differences(workflow, other)] == ["owner"]
    assert touched_phases(workflow, other) == []
