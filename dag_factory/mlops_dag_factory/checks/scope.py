"""What a rule looks at: the valid parts of a workflow and the names of the broken ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_dag_factory.spec.base import Reference, is_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import Workflow

_EXPRESSIONS = frozenset({"gates", "rules", "performance", "service", "expression", "when"})
_ELSEWHERE = frozenset({"title", "description", "definition"})


class Mention(NamedTuple):
    """A reference where it is written in a field of a phase: `many` where the field takes several."""

    text: str
    loc: Location
    kinds: tuple[str, ...]
    many: bool

    @property
    def phase(self) -> str:
        """The phase that it names."""
        return Reference.parse(self.text).phase

    @property
    def output(self) -> str:
        """The output that it names, or nothing."""
        return Reference.parse(self.text).output

    @property
    def collects(self) -> bool:
        """True for the items of a repeated phase."""
        return Reference.parse(self.text).collects


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

    def references(self, name: str) -> tuple[Mention, ...]:
        """Give the references that a phase makes."""
        return self._references[name]

    @cached_property
    def _references(self) -> dict[str, tuple[Mention, ...]]:
        return {name: tuple(self._find_references(name)) for name in self.workflow.phases}

    def _find_references(self, name: str) -> Iterator[Mention]:
        phase = self.workflow.phases[name]
        marks = phase.input_fields()
        for field, texts in phase.references().items():
            many = isinstance(getattr(phase, field), list)
            for index, text in enumerate(texts):
                loc: Location = ("phases", name, field, index) if many else ("phases", name, field)
                yield Mention(text, loc, marks[field].kinds, many)

    @cached_property
    def whole(self) -> bool:
        """True where nothing is broken and every phase that is named exists: only then can something be missed."""
        phases = self.workflow.phases
        return not self.broken and all(other in phases for phase in phases.values() for other in phase.upstream())


def _texts(workflow: Workflow) -> Iterator[tuple[Location, str]]:
    parts: list[tuple[Location, Any]] = [(("phases", name), phase) for name, phase in workflow.phases.items()]
    if workflow.monitor:
        parts.append((("monitor",), workflow.monitor))
    for start, spec in parts:
        waiting: list[tuple[Location, Any]] = [(start, spec.model_dump(exclude_unset=True))]
        while waiting:
            loc, value = waiting.pop()
            if isinstance(value, dict):
                waiting.extend(((*loc, key), item) for key, item in value.items() if key not in _ELSEWHERE)
            elif isinstance(value, list):
                waiting.extend(((*loc, index), item) for index, item in enumerate(value))
            elif isinstance(value, str) and (is_template(value) or _EXPRESSIONS.intersection(loc)):
                yield loc, value
