"""What holds for every workflow, and for every text that somebody may put into a file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dag_factory.workflows import workflows

from mlops_dag_factory.compiler import compile_workflow
from mlops_dag_factory.reading import inspect_text, read_text

MESSAGES = Path(__file__).parent / "messages"
SEEDS = [path.read_text(errors="replace") for path in sorted(MESSAGES.glob("*.yaml")) if path.stat().st_size < 5000]
quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(workflows())
def test_yaml_to_python_to_yaml_gives_the_same_workflow(workflow):
    text = workflow.to_yaml()

    again = read_text(text)
    assert again == workflow
    assert again.to_yaml() == text


@settings(quick, max_examples=40)
@given(workflows())
def test_every_workflow_compiles_to_tasks_that_cover_its_phases(workflow):
    dag = compile_workflow(workflow)

    assert set(workflow.phases) <= set(dag.task_dict)
    for name, phase in workflow.phases.items():
        for other in phase.upstream():
            assert other in dag.get_task(name).get_flat_relative_ids(upstream=True)
    assert [task.task_id for task in dag.topological_sort()]


def check(text):
    """A text is a workflow, or has problems that stand where the text has something; nothing is raised."""
    reading = inspect_text(text, "some.yaml")
    assert (reading.workflow is None) == any(problem.severity == "error" for problem in reading.problems)
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    for problem in reading.problems:
        assert problem.message
        assert 1 <= problem.line <= len(lines)
    json.dumps([problem.to_dict() for problem in reading.problems])


@settings(quick, max_examples=1000)
@given(st.text() | st.text(alphabet="{}[]:,-?!&*#|>'\"%@` \n\tabw12.~"))
def test_any_text_is_a_workflow_or_has_located_problems(text):
    check(text)


@settings(quick, max_examples=1500)
@given(st.data())
def test_a_damaged_workflow_file_is_a_workflow_or_has_located_problems(data):
    text = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 30)))
        new = data.draw(
            st.text(max_size=6)
            | st.sampled_from(["\n", "  ", "{", "}", "[", ": ", "- ", "&a ", "*a", "{{ ", " }}", "null", "<<: "])
        )
        text = text[:at] + new + text[end:]
    check(text)


LARGE = {
    "ten_thousand_phases": "workflow: w\nphases:\n"
    + "".join(f"  p{n}: {{type: ingest, source: a.csv}}\n" for n in range(10_000)),
    "a_chain": "workflow: w\nphases:\n  p0: {type: ingest, source: a.csv}\n"
    + "".join(f"  p{n}: {{type: validate, data: p{n - 1}}}\n" for n in range(1, 3000)),
    "bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "deep": "workflow: w\nphases: " + "[" * 5000,
    "ten_megabytes": "workflow: w\ndescription: " + "x" * 10_000_000,
    "wide_line": "workflow: w\ntags: [" + "a, " * 200_000 + "a]\nphases: {r: {type: ingest, source: a}}\n",
}
MEASURE = """
import json, re, sys, time
from pathlib import Path
from mlops_dag_factory.reading import inspect_workflow
started = time.perf_counter()
reading = inspect_workflow(Path(sys.argv[1]))
status = Path("/proc/self/status").read_text()  # getrusage would count the process that started this one
peak = int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024
print(json.dumps({"seconds": time.perf_counter() - started, "mb": peak, "problems": len(reading.problems)}))
"""


@pytest.mark.parametrize("name", LARGE)
def test_no_file_takes_much_time_or_memory(name, tmp_path):
    (tmp_path / "large.yaml").write_text(LARGE[name])

    out = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "large.yaml"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    found = json.loads(out)
    assert found["mb"] < 500
    assert found["seconds"] < 20  # the goal is 2 s; a loaded machine may take longer, a wrong complexity takes minutes
