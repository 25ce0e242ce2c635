"""What a rule looks at: the valid parts of a workflow and the names of the broken ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_dag_factory.spec.base import Reference, Spec, is_template
from mlops_dag_factory.spec.workflow import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import Workflow
    from mlops_dag_factory.spec.base import Input

_EXPRESSIONS = frozenset({"gates", "rules", "performance", "service", "expression", "when"})
_HOLD_TEXT: Any = str | list | dict | Spec
_ELSEWHERE = frozenset({"title", "description", "definition"})


class Mention(NamedTuple):
    """A reference where it is written in a field of a phase: `many` where the field takes several."""

    text: str
    loc: Location
    kinds: tuple[str, ...]
    many: bool
    phase: str
    output: str
    collects: bool


@dataclass(frozen=True)
class Scope:
    """A workflow and what of its file is broken."""

    workflow: Workflow
    broken: frozenset[str] = frozenset()

    @cached_property
    def broken_phases(self) -> frozenset[str]:
        """The names of the phases that are wrong in themselves."""
        names = (path.partition(".")[2] for path in self.broken if path.startswith("phases."))
        return frozenset(name for name in names if name not in self.workflow.phases and "." not in name)

    @property
    def phase_names(self) -> list[str]:
        """The names of all phases of the file, in order."""
        return [*self.workflow.phases, *sorted(self.broken_phases)]

    @cached_property
    def texts(self) -> tuple[tuple[Location, str], ...]:
        """Every text of the phases and the monitor that is a template or an expression, with its location."""
        return tuple(_texts(self.workflow))

    @cached_property
    def graph(self) -> dict[str, list[str]]:
        """For every phase, those that must succeed right before it."""
        return self.workflow.graph()

    def ancestors(self, name: str) -> set[str]:
        """Give all phases that come before a phase."""
        return ancestors(self.graph, name)

    def references(self, name: str) -> tuple[Mention, ...]:
        """Give the references that a phase makes."""
        return self._references[name]

    @cached_property
    def _references(self) -> dict[str, tuple[Mention, ...]]:
        return {name: tuple(self._find_references(name)) for name in self.workflow.phases}

    def _find_references(self, name: str) -> Iterator[Mention]:
        phase = self.workflow.phases[name]
        for field, mark in phase.input_fields().items():
            value = getattr(phase, field) or ()
            many = not isinstance(value, str)
            for index, text in enumerate(value if many else (value,)):
                yield _mention(
                    text, ("phases", name, field, index) if many else ("phases", name, field), mark, many=many
                )
        for loc, text, mark in phase.nested_references():
            yield _mention(text, ("phases", name, *loc), mark, many=False)

    @cached_property
    def whole(self) -> bool:
        """True where nothing is broken and every phase that is named exists: only then can something be missed."""
        phases = self.workflow.phases
        return not self.broken and all(other in phases for phase in phases.values() for other in phase.upstream())


def _mention(text: str, loc: Location, mark: Input, *, many: bool) -> Mention:
    reference = Reference.parse(text)
    return Mention(text, loc, mark.kinds, many, reference.phase, reference.output, reference.collects)


def _texts(workflow: Workflow) -> Iterator[tuple[Location, str]]:
    waiting: list[tuple[Location, Any]] = [(("phases", name), phase) for name, phase in workflow.phases.items()]
    waiting.reverse()
    if workflow.monitor:
        waiting.append((("monitor",), workflow.monitor))
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, str):
            if is_template(value) or not _EXPRESSIONS.isdisjoint(loc):
                yield loc, value
        elif isinstance(value, Spec):
            fields = ((name, getattr(value, name)) for name in value.model_fields_set if name not in _ELSEWHERE)
            waiting.extend(((*loc, name), item) for name, item in fields if isinstance(item, _HOLD_TEXT))
        elif isinstance(value, dict):
            waiting.extend(((*loc, key), item) for key, item in value.items() if key not in _ELSEWHERE)
        elif isinstance(value, list):
            waiting.extend(((*loc, index), item) for index, item in enumerate(value))
