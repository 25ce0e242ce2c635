"""Read a workflow file: YAML text becomes a workflow, or all its problems at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mlops_dag_factory.checks import check, check_data, may_hold_secrets
from mlops_dag_factory.checks.policies import check_policies
from mlops_dag_factory.checks.scope import Scope
from mlops_dag_factory.errors import Problem, WorkflowError
from mlops_dag_factory.source import Document, compose, parse, read_text_of
from mlops_dag_factory.spec import Workflow
from mlops_dag_factory.violations import violations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_dag_factory.errors import Finding, Location
    from mlops_provider.evidence_policy import Policy

_PLACEHOLDER = "unnamed"


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading gave: the workflow, unless there are errors; all problems in order; where everything stands."""

    workflow: Workflow | None
    problems: tuple[Problem, ...] = ()
    document: Document | None = None

    def result(self) -> Workflow:
        """Give the workflow, or raise WorkflowError with all problems."""
        if self.workflow is None:
            raise WorkflowError(self.problems)
        return self.workflow


def read_workflow(path: Path, profile: str = "") -> Workflow:
    """Read a workflow file; WorkflowError carries all its problems."""
    return inspect_workflow(path, profile).result()


def read_text(text: str, file: str = "<text>", profile: str = "") -> Workflow:
    """Read a workflow from YAML text; WorkflowError carries all its problems, filed under `file`."""
    return inspect_text(text, file, profile).result()


def inspect_workflow(path: Path, profile: str = "", policies: Mapping[str, Policy] | None = None) -> Reading:
    """Read a workflow file and give the warnings too; `policies` are the deployment's, by risk class."""
    try:
        text = read_text_of(path)
    except WorkflowError as err:
        return Reading(None, err.problems)
    return inspect_text(text, str(path), profile, policies)


def inspect_text(
    text: str, file: str = "<text>", profile: str = "", policies: Mapping[str, Policy] | None = None
) -> Reading:
    """Read a workflow from YAML text and give the warnings too; includes count from the folder of `file`."""
    parsed = parse(text, file)
    document = compose(parsed, profile)
    if document.data is None:
        return Reading(None, document.problems, document)
    secrets = check_data(document.data) if document.parts or may_hold_secrets(text) else ()
    workflow, findings = _inspect(document.data, {"yaml"} if document.problems else set())
    if workflow is not None and policies:
        findings += check_policies(Scope(workflow), policies)
    problems = [*document.problems, *_located(document, [*secrets, *findings])]
    problems.sort(key=lambda problem: (problem.file != file, problem.file, problem.line, problem.column))
    valid = all(problem.severity == "warning" for problem in problems)
    return Reading(workflow if valid else None, tuple(problems), document)


def validate_workflow(workflow: Workflow) -> None:
    """Apply the rules across phases to a workflow that was made in Python; WorkflowError carries all problems."""
    problems = [finding.in_file(workflow.workflow, 0, 0) for finding in check(workflow)]
    if any(problem.severity == "error" for problem in problems):
        raise WorkflowError(problems)


def inspect_profiles(path: Path, policies: Mapping[str, Policy] | None = None) -> tuple[Problem, ...]:
    """Give the problems of a workflow file as it stands and under each of its profiles, each once."""
    base = inspect_workflow(path, policies=policies)
    problems = dict.fromkeys(base.problems)
    data = base.document.data if base.document else None
    profiles = data.get("profiles") if data else None
    for name in profiles if isinstance(profiles, dict) else ():
        for problem in inspect_workflow(path, name, policies).problems:
            if problem not in problems:
                problems[replace(problem, message=f"{problem.message} (profile '{name}')")] = None
    return tuple(problems)


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
