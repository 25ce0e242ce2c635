"""From phases to nodes: sub-workflows that run inline are put into their place, references are resolved.

No Airflow here: what the compiler makes tasks of is what `plan` and `graph` show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_dag_factory.spec.base import Reference
from mlops_dag_factory.spec.phase import PhaseOptions
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec
from mlops_dag_factory.spec.workflow import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_dag_factory.spec import PhaseSpec, Workflow

_NOT_CONFIG = {*PhaseOptions.model_fields, "title", "description", "when", "foreach", "group"}
Sources = dict[str, list[tuple[str, str]]]
"""Input field -> pairs of a node (with `[*]` or `[i]`) and its output."""


@dataclass(frozen=True, slots=True)
class Node:
    """A phase at its place: `name` is its own, after those of the sub-workflows around it: `features.cleaned`.

    `overrides` are the values of their parameters, `before` what comes before them, the outermost first.
    """

    name: str
    phase: PhaseSpec
    workflow: Workflow
    prefix: str = ""
    overrides: tuple[Mapping[str, Any], ...] = ()
    before: tuple[str, ...] = ()


@dataclass(slots=True)
class Nodes:
    """All nodes of a workflow, in the order of the file, with what comes before each and what it takes from it."""

    nodes: dict[str, Node] = field(default_factory=dict)
    upstream: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, Sources] = field(default_factory=dict)
    asks: dict[str, list[str]] = field(default_factory=dict)
    """Node -> the parameters that people are asked for before it."""
    asked: dict[str, str] = field(default_factory=dict)
    """Parameter -> the node before which people are asked for it."""

    def ancestors(self, name: str) -> set[str]:
        """Give all nodes that come before one."""
        return ancestors(self.upstream, name)

    def in_order(self) -> list[str]:
        """Give the names so that each comes after those before it; otherwise in the order of the file."""
        done: dict[str, None] = {}
        for start in self.nodes:
            stack = [start]
            while stack:
                name = stack[-1]
                open_ = [other for other in self.upstream[name] if other not in done]
                if open_:
                    stack.extend(reversed(open_))
                else:
                    done[stack.pop()] = None
        return list(done)


def nodes_of(workflow: Workflow) -> Nodes:
    """Give the nodes of a workflow that has no errors."""
    found = Nodes()
    for name, phase in workflow.phases.items():
        node = Node(name, phase, workflow)
        if isinstance(phase, SubWorkflowSpec) and phase.inline and phase.definition is not None:
            found.nodes.update((inner.name, inner) for inner in _inner(node, phase, phase.definition))
        else:
            found.nodes[name] = node
    for name, node in found.nodes.items():
        found.sources[name] = _sources(node)
        found.upstream[name] = _upstream(node, found)
    _place_asks(workflow, found)
    return found


def config_of(phase: PhaseSpec) -> dict[str, Any]:
    """Give a phase's own keys, without the options that every phase has and without defaults."""
    own = phase.__class__.__annotations__  # an option that a phase type defines anew is its own key
    exclude = {*_NOT_CONFIG.difference(own), "definition"}
    return phase.model_dump(mode="json", exclude_defaults=True, exclude=exclude)


def with_all_inline(workflow: Workflow) -> Workflow:
    """Give the workflow with the runs of its sub-workflows inline, where nothing would start them."""
    phases = {
        name: phase.model_copy(update={"inline": True, "definition": with_all_inline(phase.definition)})
        if isinstance(phase, SubWorkflowSpec) and phase.definition is not None
        else phase
        for name, phase in workflow.phases.items()
    }
    return workflow.model_copy(update={"phases": phases})


def _inner(node: Node, phase: SubWorkflowSpec, workflow: Workflow) -> Iterator[Node]:
    """Give the nodes of an inline sub-workflow and of those within it."""
    prefix = f"{node.name}."
    defaults = {key: spec.default for key, spec in workflow.parameters.items()}
    overrides = (*node.overrides, {**defaults, **phase.parameters})
    before = (*node.before, *(f"{node.prefix}{other}" for other in phase.upstream()))
    for name, inner in workflow.phases.items():
        found = Node(f"{prefix}{name}", inner, workflow, prefix, overrides, before)
        if isinstance(inner, SubWorkflowSpec) and inner.inline and inner.definition is not None:
            yield from _inner(found, inner, inner.definition)
        else:
            yield found


def _sources(node: Node) -> Sources:
    found: Sources = {}
    for name, references in node.phase.references().items():
        found[name] = [_source(node, Reference.parse(text)) for text in references]
    return found


def _source(node: Node, reference: Reference) -> tuple[str, str]:
    name, output, workflow = f"{node.prefix}{reference.phase}", reference.output, node.workflow
    phase = workflow.phases[reference.phase]
    while isinstance(phase, SubWorkflowSpec) and phase.inline and phase.definition is not None:
        inner, _, output = output.partition(".")
        name, workflow = f"{name}.{inner}", phase.definition
        phase = workflow.phases[inner]
    how = ""
    if reference.collects:
        how = "[*]"
    elif phase.foreach and phase.foreach == node.phase.foreach:
        how = "[i]"
    return f"{name}{how}", output or phase.default_output or ""


def _upstream(node: Node, found: Nodes) -> list[str]:
    phase = node.phase
    names = dict.fromkeys(
        source.partition("[")[0] for pairs in found.sources[node.name].values() for source, _ in pairs
    )
    referred = {Reference.parse(text).phase for texts in phase.references().values() for text in texts}
    for other in phase.upstream():
        if other in phase.after or other not in referred:
            names.update(dict.fromkeys(_members(f"{node.prefix}{other}", found)))
    if not any(name.startswith(node.prefix) for name in names):  # the others of a sub-workflow come after these
        for other in node.before:
            names.update(dict.fromkeys(_members(other, found)))
    return sorted(names)


def _members(name: str, found: Nodes) -> list[str]:
    """Give the node of a phase, or all those of the sub-workflow that stands in its place."""
    if name in found.nodes:
        return [name]
    return [other for other in found.nodes if other.startswith(f"{name}.")]


def _place_asks(workflow: Workflow, found: Nodes) -> None:
    """Ask before the first phase that uses a parameter: the first of those that no other user comes before."""
    for name, spec in workflow.parameters.items():
        if not spec.ask:
            continue
        users = [node.name for node in found.nodes.values() if uses(node, name)]
        for user in users:
            if not found.ancestors(user).intersection(users):
                found.asked[name] = user
                found.asks.setdefault(user, []).append(name)
                break


def uses(node: Node, parameter: str) -> bool:
    """Say whether a phase reads a parameter of the run."""
    values: list[Any] = [node.overrides[0]] if node.overrides else [node.phase.model_dump(exclude_defaults=True)]
    pattern = re.compile(rf"\b(?:params|parameters)(?:\.|\[\s*['\"]){re.escape(parameter)}\b")
    while values:
        value = values.pop()
        if isinstance(value, str) and pattern.search(value):
            return True
        values.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    return False
