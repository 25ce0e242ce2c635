"""What gates on performance read: values with intervals by name, and of what cannot be had, why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlops_provider.expressions import Expression
from mlops_provider.verdicts import RuleResult, judge_gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    Interval = tuple[float, float]

ENDS = ("low", "high")


@dataclass(slots=True)
class Measures:
    """Values that were found, by the names that gates use.

    `intervals` are 95 % intervals, whose ends gates read as `<name>.low` and `<name>.high`. `missing` says why there is
    no value, by name or by the beginning of dotted names. `rows` is how many rows a value is of, `parts` which part of
    the window it is of and how many rows that has. `notes` say more about a value, and about all whose names begin
    with its own.
    """

    found: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    parts: dict[str, tuple[str, int]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(
        self, values: Mapping[str, float], rows: int, intervals: Mapping[str, Interval] | None = None, before: str = ""
    ) -> None:
        """Take values of some rows; `before` is put before their names."""
        self.found |= {f"{before}{name}": value for name, value in values.items()}
        self.rows |= {f"{before}{name}": rows for name in values}
        self.intervals |= {f"{before}{name}": ends for name, ends in (intervals or {}).items()}

    def judge(self, gate: str) -> RuleResult:
        """Judge a gate; what could not be measured makes it not applicable, with the reason."""
        names = Expression.parse(gate).names()
        scope = self._scope()
        lacking = [name for name in names if name not in scope]
        if lacking:
            why = "; ".join(dict.fromkeys(self._why(name) for name in lacking))
            return RuleResult(rule=gate, result="not_applicable", why=why)
        of = [_plain(name) for name in names]
        rows = next((self.rows[name] for name in of if name in self.rows), None)
        result = judge_gate(gate, scope, champion=None, rows=rows, slices=self.parts)
        said = [self._between(name) for name in dict.fromkeys(of) if name in self.intervals]
        if rows is not None and not any(name in self.parts for name in of):
            said.append(f"{rows:,} rows")
        why = f"{result.why} ({'; '.join(said)})" if said else result.why
        notes = [note for key, note in self.notes.items() if any(f"{name}.".startswith(f"{key}.") for name in names)]
        return replace(result, why="; ".join([why, *notes]))

    def _scope(self) -> dict[str, float]:
        ends = {
            f"{name}.{end}": value
            for name, between in self.intervals.items()
            for end, value in zip(ENDS, between, strict=True)
        }
        return {**self.found, **ends}

    def _between(self, name: str) -> str:
        low, high = self.intervals[name]
        return f"95 % interval of {name} {low:.4g} to {high:.4g}"

    def _why(self, name: str) -> str:
        """Give the reason that stands under the name, or under the longest beginning of it."""
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            reason = self.missing.get(".".join(parts[:end]))
            if reason:
                return reason
        if _plain(name) in self.found:
            return f"{_plain(name)} has no interval"
        return f"{name} cannot be measured on this window"


def _plain(name: str) -> str:
    first, _, last = name.rpartition(".")
    return first if last in ENDS else name
