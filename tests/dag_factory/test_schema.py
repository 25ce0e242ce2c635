"""The JSON Schema, judged by an independent validator: it takes what reading takes, and refuses mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.reading import inspect_workflow
from mlops_dag_factory.reference import reference
from mlops_dag_factory.schema import workflow_schema
from mlops_dag_factory.source import parse
from mlops_dag_factory.spec.phase import PhaseSpec

ROOT = Path(__file__).parents[2]
MESSAGES = ROOT / "tests" / "dag_factory" / "messages"
SAMPLES = sorted((ROOT / "dags" / "workflows").glob("*.yaml"))
STRUCTURE = {"unknown-field", "missing", "phase-type", "choice", "type", "bounds", "name", "pattern"}
"""The mistakes that a schema can see; what is between phases is for `mlops validate`."""


@pytest.fixture(scope="module")
def validator():
    return Draft202012Validator(workflow_schema())


def data(path):
    return parse(path.read_text(), path.name).data


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(workflow_schema())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_samples_are_accepted(validator, path):
    assert [error.message for error in validator.iter_errors(data(path))] == []


def has_structure(path):
    """Say whether a schema has anything to look at: a map, of values that JSON has."""
    document = parse(path.read_text(errors="replace"), path.name)
    return document.data is not None and not document.problems and path.stem != "spec_not_finite"


@pytest.mark.parametrize("path", [*filter(has_structure, sorted(MESSAGES.glob("*.yaml")))], ids=lambda path: path.stem)
def test_it_refuses_what_is_wrong_in_structure_and_nothing_that_reading_takes(validator, path):
    reading = inspect_workflow(path)
    codes = {problem.code for problem in reading.problems if problem.severity == "error"}
    errors = list(validator.iter_errors(data(path)))

    if not codes:
        assert [error.message for error in errors] == []
    elif codes & STRUCTURE and not any(problem.file != str(path) for problem in reading.problems):
        assert errors


@pytest.mark.parametrize(
    "text",
    [
        "schedule: '@daily'",
        "schedule: null",
        "schedule: {cron: '@daily', assets: x-lake://days}",
        "roles: {a: [ana], b: {users: bert, notify: hook}, c: carl}",
        "notify: {on: failed, to: hook}",
        "defaults: {retry_delay: 30s, timeout: 2h, cache: {ttl: 7d}}",
        "profiles: {production: {phases: {rows: {source: other.csv}}, tags: [a]}}",
        "scenes: {some: [rows]}",
        "team: grid",
    ],
)
def test_shorthands_are_accepted(validator, text):
    whole = f"{text}\nworkflow: w\nphases:\n  rows: {{type: ingest, source: a.csv}}\n"
    whole += '  more: {type: transform, data: rows, sql: "select 1", after: rows, timeout: 30m}\n'
    whole += '  check: {type: validate, data: rows, rules: ["row_count > 1", {sql: "select 1"}]}\n'
    whole += '  parts: {type: split, data: rows, test: "{{ params.share }}"}\n'

    assert [error.message for error in validator.iter_errors(parse(whole, "w").data)] == []


def test_models_of_equal_names_are_kept_apart(monkeypatch):
    class SplitSpec(PhaseSpec):
        """Another distribution's."""

        type: Literal["cut"] = "cut"
        where: int = Field(description="Row.")

    entries = {**phase_types(), "cut": SimpleNamespace(spec_class=lambda: SplitSpec)}
    monkeypatch.setattr("mlops_dag_factory.schema.phase_types", lambda: entries)
    validator = Draft202012Validator(workflow_schema())

    def errors(phase):
        return list(validator.iter_errors({"workflow": "w", "phases": {"p": phase}}))

    assert not errors({"type": "cut", "where": 3})
    assert errors({"type": "cut", "where": 3, "test": 0.5})
    assert not errors({"type": "split", "data": "rows", "test": 0.5})
    assert errors({"type": "split", "data": "rows", "where": 3})


def test_what_may_not_be_a_template_and_what_no_type_has_is_refused(validator):
    for phase in (
        "{type: ingest, source: a.csv, retries: '{{ params.a }}'}",
        "{type: ingest, source: a.csv, surce: b}",
        "{type: ingst, source: a.csv}",
        "{source: a.csv}",
        "{type: split}",
        "{type: ingest, source: a.csv, timeout: 30}",
    ):
        assert list(validator.iter_errors(parse(f"workflow: w\nphases: {{rows: {phase}}}\n", "w").data)), phase


def test_every_field_is_described():
    for name, model in workflow_schema()["$defs"].items():
        for field, schema in model.get("properties", {}).items():
            assert field == "type" or "description" in json.dumps(schema), f"{name}.{field}"


def test_the_published_reference_is_the_present_one_and_names_every_key():
    page = (ROOT / "docs" / "reference.md").read_text()

    assert page == reference()
    for name, model in workflow_schema()["$defs"].items():
        for key in model.get("properties", {}):
            assert f"| `{key}` |" in page or key in {"type", "definition"}, f"{name}.{key}"
    links = set(re.findall(r"\]\(#([^)]+)\)", page))
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in page.splitlines() if line.startswith("#")}
    assert links <= headings


def test_the_published_schema_is_the_present_one():
    published = json.loads((ROOT / "docs" / "workflow.schema.json").read_text())

    assert published == workflow_schema()
