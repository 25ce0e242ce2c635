"""Read a workflow file: YAML text becomes a workflow, or all its problems at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mlops_dag_factory.checks import check, check_data, may_hold_secrets
from mlops_dag_factory.errors import Problem, WorkflowError
from mlops_dag_factory.source import Document, parse, read_text_of
from mlops_dag_factory.spec import Workflow
from mlops_dag_factory.violations import violations

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_dag_factory.errors import Finding, Location

_PLACEHOLDER = "unnamed"


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading gave: the workflow, unless there are errors, and all problems in the order of the file."""

    workflow: Workflow | None
    problems: tuple[Problem, ...] = ()

    def result(self) -> Workflow:
        """Give the workflow, or raise WorkflowError with all problems."""
        if self.workflow is None:
            raise WorkflowError(self.problems)
        return self.workflow


def read_workflow(path: Path) -> Workflow:
    """Read a workflow file; WorkflowError carries all its problems."""
    return inspect_workflow(path).result()


def read_text(text: str, file: str = "<text>") -> Workflow:
    """Read a workflow from YAML text; WorkflowError carries all its problems, filed under `file`."""
    return inspect_text(text, file).result()


def inspect_workflow(path: Path) -> Reading:
    """Read a workflow file and give the warnings too."""
    try:
        text = read_text_of(path)
    except WorkflowError as err:
        return Reading(None, err.problems)
    return inspect_text(text, str(path))


def inspect_text(text: str, file: str = "<text>") -> Reading:
    """Read a workflow from YAML text and give the warnings too."""
    document = parse(text, file)
    if document.data is None:
        return Reading(None, document.problems)
    secrets = check_data(document.data) if may_hold_secrets(text) else ()
    workflow, findings = _inspect(document.data, {"yaml"} if document.problems else set())
    problems = [*document.problems, *_located(document, [*secrets, *findings])]
    problems.sort(key=lambda problem: (problem.line, problem.column))
    valid = all(problem.severity == "warning" for problem in problems)
    return Reading(workflow if valid else None, tuple(problems))


def _located(document: Document, findings: list[Finding]) -> list[Problem]:
    return list(dict.fromkeys(document.problem(finding) for finding in findings))


def _inspect(data: dict[str, Any], broken: set[str]) -> tuple[Workflow | None, list[Finding]]:
    try:
        workflow = Workflow.model_validate(data)
    except ValidationError as err:
        found = violations(err.errors(include_url=False), data)
        return None, [*found, *_check_the_rest(data, found, broken)]
    return workflow, list(check(workflow, frozenset(broken)))


def _check_the_rest(data: dict[str, Any], found: list[Finding], broken: set[str]) -> list[Finding]:
    """Check what is valid on its own: leave out the broken fields first, then the phases that cannot do without."""
    for depth in (3, 2, 1):
        data = _without(data, [_keys(finding.loc, depth) for finding in found], broken)
        try:
            workflow = Workflow.model_validate({"workflow": _PLACEHOLDER, **data})
        except ValidationError as err:
            found = violations(err.errors(include_url=False), data)
        else:
            return list(check(workflow, frozenset(broken)))
    return []


def _keys(loc: Location, depth: int) -> tuple[str, ...]:
    """Give the keys down to a depth or to the first list."""
    return tuple(str(part) for part in takewhile(lambda part: isinstance(part, str), loc[:depth]))


def _without(data: dict[str, Any], locations: list[tuple[str, ...]], broken: set[str]) -> dict[str, Any]:
    """Copy the data without the nodes at some locations, and note their paths."""
    copy = dict(data)
    for loc in locations:
        node = copy
        for part in loc[:-1]:
            node[part] = dict(node[part]) if isinstance(node.get(part), dict) else {}
            node = node[part]
        if loc and node.pop(loc[-1], None) is not None:
            broken.add(".".join(loc))
    return copy
