"""What a rule looks at: the valid parts of a workflow and the names of the broken ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_dag_factory.spec.base import is_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import PhaseSpec, Workflow

_EXPRESSIONS = frozenset({"gates", "rules", "performance", "service", "expression"})
_PROSE = frozenset({"title", "description"})


class Reference(NamedTuple):
    """A reference as written in a field of a phase: `phase` or `phase.output`."""

    text: str
    loc: Location
    kinds: tuple[str, ...]

    @property
    def phase(self) -> str:
        """The phase that it names."""
        return self.text.partition(".")[0]

    @property
    def output(self) -> str:
        """The output that it names, or nothing."""
        return self.text.partition(".")[2]


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

    def references(self, name: str) -> tuple[Reference, ...]:
        """Give the references that a phase makes."""
        return self._references[name]

    @cached_property
    def _references(self) -> dict[str, tuple[Reference, ...]]:
        return {name: tuple(self._find_references(name)) for name in self.workflow.phases}

    def _find_references(self, name: str) -> Iterator[Reference]:
        phase = self.workflow.phases[name]
        marks = phase.input_fields()
        for field, texts in phase.references().items():
            many = isinstance(getattr(phase, field), list)
            for index, text in enumerate(texts):
                loc: Location = ("phases", name, field, index) if many else ("phases", name, field)
                yield Reference(text, loc, marks[field].kinds)

    @cached_property
    def whole(self) -> bool:
        """True where nothing is broken and every phase that is named exists: only then can something be missed."""
        phases = self.workflow.phases
        return not self.broken and all(other in phases for phase in phases.values() for other in phase.upstream())

    def produced(self, reference: Reference) -> tuple[PhaseSpec, str] | None:
        """Give the phase and the name of the output that a reference means; None where there is none."""
        phase = self.workflow.phases.get(reference.phase)
        output = reference.output or (phase.default_output if phase else None)
        return (phase, output) if phase and output and output in phase.outputs else None


def _texts(workflow: Workflow) -> Iterator[tuple[Location, str]]:
    parts: list[tuple[Location, Any]] = [(("phases", name), phase) for name, phase in workflow.phases.items()]
    if workflow.monitor:
        parts.append((("monitor",), workflow.monitor))
    for start, spec in parts:
        waiting: list[tuple[Location, Any]] = [(start, spec.model_dump(exclude_unset=True))]
        while waiting:
            loc, value = waiting.pop()
            if isinstance(value, dict):
                waiting.extend(((*loc, key), item) for key, item in value.items() if key not in _PROSE)
            elif isinstance(value, list):
                waiting.extend(((*loc, index), item) for index, item in enumerate(value))
            elif isinstance(value, str) and (is_template(value) or _EXPRESSIONS.intersection(loc)):
                yield loc, value
