from __future__ import annotations

import keyword
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_dag_factory.checks.names import RESERVED
from mlops_dag_factory.errors import WorkflowError
from mlops_dag_factory.reading import inspect_text, read_text, read_workflow
from mlops_dag_factory.spec import (
    EvaluateSpec,
    IngestSpec,
    MonitorSpec,
    RegisterSpec,
    ReleaseSpec,
    SplitSpec,
    TrainSpec,
    Workflow,
)
from mlops_dag_factory.spec.parameters import ParameterSpec

SMALL = """\
# yaml-language-server: $schema=workflow.schema.json
workflow: electricity
description: Predict whether the price goes up in the next half hour.
owner: grid
schedule: "0 3 * * 1"

phases:
  readings:  {type: ingest, source: data/elec.csv}
  splits:    {type: split, data: readings, test: 0.2, by: order}
  model:     {type: train, data: splits.train, target: class, estimator: sklearn.ensemble.RandomForestClassifier}
  quality:   {type: evaluate, model: model, data: splits.test, gates: ["accuracy >= 0.7"]}
  candidate: {type: register, model: model, after: quality}
  live:      {type: release, model: candidate}

monitor:
  schedule: "@hourly"
  checks: {data_drift: {share: 0.3}}
  on_breach: [notify, retrain]
"""
SAMPLES = sorted((Path(__file__).parents[2] / "dags" / "workflows").glob("*.yaml"))


def test_the_small_file_reads_clean():
    reading = inspect_text(SMALL, "electricity.yaml")

    assert reading.problems == ()
    assert reading.workflow is not None
    assert reading.workflow.schedule.cron == "0 3 * * 1"
    assert reading.workflow.phases["candidate"].after == ["quality"]
    assert reading.workflow.monitor is not None


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_samples_read_without_errors_and_round_trip(path):
    workflow = read_workflow(path)

    assert read_text(workflow.to_yaml()) == workflow


def test_yaml_to_python_to_yaml_is_the_same_workflow(tmp_path):
    workflow = read_text(SMALL)
    (tmp_path / "again.yaml").write_text(workflow.to_yaml())

    assert Workflow.read(tmp_path / "again.yaml") == workflow


def test_all_problems_come_at_once_in_the_order_of_the_file():
    broken = SMALL.replace("owner:", "ownr:").replace("splits.test", "splits.tst").replace("@hourly", "@hourli")

    with pytest.raises(WorkflowError) as caught:
        read_text(broken, "electricity.yaml")

    problems = caught.value.problems
    assert [problem.path for problem in problems] == ["ownr", "phases.quality.data", "monitor.schedule"]
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)
    assert str(caught.value).startswith("electricity.yaml:4:1 ownr: unknown field\n  hint: did you mean 'owner'?")


def test_a_warning_does_not_stop_the_workflow():
    reading = inspect_text(SMALL.replace("phases:", "parameters: {a: {type: integer, default: 1}}\nphases:", 1))

    assert [problem.severity for problem in reading.problems] == ["warning"]
    assert reading.workflow is not None


def test_a_broken_phase_is_known_to_those_that_refer_to_it():
    reading = inspect_text(SMALL.replace("type: split", "type: splitt"))

    assert [problem.path for problem in reading.problems] == ["phases.splits.type"]


def test_a_template_waits_for_the_run_but_not_where_the_graph_depends_on_it():
    parameters = "parameters: {n: {type: float, default: 0.3}}\nphases:"
    later = SMALL.replace("phases:", parameters, 1).replace("test: 0.2", 'test: "{{ params.n }}"')
    too_early = SMALL.replace("phases:", parameters, 1).replace("data: readings", 'data: "{{ params.n }}"')

    assert read_text(later).phases["splits"].test == "{{ params.n }}"
    with pytest.raises(WorkflowError, match="may not be a template"):
        read_text(too_early)


def test_a_long_chain_of_phases_is_read(tmp_path):
    chain = "".join(f"  p{n + 1}: {{type: transform, data: p{n}, sql: SELECT 1}}\n" for n in range(2000))

    assert len(read_text(f"workflow: w\nphases:\n  p0: {{type: ingest, source: a.csv}}\n{chain}").phases) == 2001


_MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, len(SMALL)),
        st.integers(0, 12),
        st.text(max_size=8) | st.sampled_from(list("{}[]&*!|>'\"%@`:,- \n\t#?~")),
    ),
    min_size=1,
    max_size=6,
)


def _mutate(changes):
    text = SMALL
    for start, length, new in changes:
        text = text[:start] + new + text[start + length :]
    return text


def _located(text):
    reading = inspect_text(text, "w.yaml")
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    for problem in reading.problems:
        assert problem.message
        assert 1 <= problem.line <= len(lines)
        assert problem.column >= 1
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    assert bool(errors) == (reading.workflow is None)


@given(st.text() | st.text(alphabet="abc:{}[]-?&*!|>'\"%@`,# \n\t<~0123456789."))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_workflow_or_located_problems(text):
    _located(text)


@given(_MUTATIONS)
@settings(max_examples=300, deadline=None)
def test_any_change_of_a_good_file_gives_a_workflow_or_located_problems(changes):
    _located(_mutate(changes))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("{{ params.x }}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_WORDS = """
workflow title schedule cron parameters defaults phases monitor type data test by keys after retries timeout resources
gates model metrics checks window policy labels performance data_drift rules columns source splits new
"""
_FIELDS = st.sampled_from(_WORDS.split())
_PLACES = st.lists(
    st.sampled_from(["schedule", "parameters", "defaults", "phases", "splits", "quality", "monitor", "checks"])
)


@given(st.lists(st.tuples(_PLACES, _FIELDS, _VALUES), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_value_in_any_field_gives_a_workflow_or_located_problems(changes):
    from mlops_dag_factory.source import dump, parse

    data = parse(SMALL, "w.yaml").data
    for place, field, value in changes:
        node = data
        for part in place:
            node = node.get(part, node) if isinstance(node, dict) else node
        if isinstance(node, dict):
            node[field] = value

    _located(dump(data))


_TEXT = st.text(max_size=30)
_TAKEN = {"splits", "model", "quality", "candidate", "live", *RESERVED}
_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True).filter(
    lambda name: name not in _TAKEN and not keyword.iskeyword(name)
)


@st.composite
def workflows(draw):
    source = draw(_NAMES)
    parameter = draw(_NAMES)
    minutes = draw(st.integers(1, 10_000))
    gate = draw(st.floats(0, 1))
    return Workflow(
        workflow=draw(st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)),
        title=draw(_TEXT),
        description=draw(_TEXT | st.just("Two\nlines: # yes\n")),
        tags=draw(st.lists(_TEXT, max_size=3)),
        schedule=draw(st.sampled_from([None, "@daily", "*/5 * * * *"])),
        parameters={
            parameter: ParameterSpec(type="float", default=draw(st.floats(allow_nan=False, allow_infinity=False)))
        },
        phases={
            source: IngestSpec(source=draw(_TEXT), columns=draw(st.dictionaries(_TEXT, st.just("float"), max_size=3))),
            "splits": SplitSpec(data=source, test=draw(st.floats(0.01, 0.5)), seed=draw(st.integers(0, 10**9))),
            "model": TrainSpec(
                data="splits.train",
                target=draw(_TEXT),
                estimator="sklearn.svm.SVC",
                parameters={
                    "C": f"{{{{ params.{parameter} }}}}",
                    "other": draw(_TEXT | st.integers() | st.booleans() | st.none()),
                },
                timeout=f"{minutes}m",
            ),
            "quality": EvaluateSpec(model="model", data="splits.test", gates=[f"accuracy >= {gate}"]),
            "candidate": RegisterSpec(model="model", after="quality"),
            "live": ReleaseSpec(model="candidate"),
        },
        monitor=draw(st.none() | st.just(MonitorSpec(checks={"data_drift": {"share": 0.5}}, window={"size": "36h"}))),
    )


@given(workflows())
@settings(max_examples=150, deadline=None)
def test_a_workflow_made_in_python_reads_back_from_its_yaml(workflow):
    reading = inspect_text(workflow.to_yaml(), "w.yaml")

    assert reading.problems == ()
    assert reading.workflow == workflow
