"""Verdicts of checkpoints: every rule with its values, its result and why."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Status = Literal["passed", "blocked", "vacuous", "overridden"]
Result = Literal["passed", "failed", "warned", "not_applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule: the condition, what it saw, how it ended and, in a sentence, why."""

    rule: str
    result: Result
    why: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a checkpoint decided. `vacuous` means that no rule applied: nothing was proven."""

    status: Status
    rules: tuple[RuleResult, ...] = ()

    @classmethod
    def of(cls, rules: Iterable[RuleResult]) -> Verdict:
        """Conclude from rules: one failure blocks; none that applied is vacuous."""
        rules = tuple(rules)
        results = {rule.result for rule in rules}
        status: Status = "blocked" if "failed" in results else "passed" if results & {"passed", "warned"} else "vacuous"
        return cls(status=status, rules=rules)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Verdict:
        """Make a verdict from its JSON form."""
        return cls(status=value["status"], rules=tuple(RuleResult(**rule) for rule in value["rules"]))

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {"status": self.status, "rules": [asdict(rule) for rule in self.rules]}

    def failures(self) -> list[str]:
        """Give the sentences of the rules that failed."""
        return [rule.why for rule in self.rules if rule.result == "failed"]

    def to_markdown(self) -> str:
        """Give a table with one row per rule."""
        rows = "\n".join(f"| `{rule.rule}` | {rule.result.replace('_', ' ')} | {rule.why} |" for rule in self.rules)
        return (
            f"**{self.status}**\n\n| rule | result | why |\n|---|---|---|\n{rows}\n" if rows else f"**{self.status}**\n"
        )


def judge_gate(
    gate: str,
    metrics: Mapping[str, Any],
    *,
    champion: Mapping[str, Any] | None,
    parameters: Mapping[str, Any] | None = None,
) -> RuleResult:
    """Evaluate one gate on metrics; `parameters.<name>` are the run's.

    `champion` holds the champion's metrics on the same rows, or None when there is no champion: a gate
    that names it is then not applicable. A missing or NaN metric raises ExpressionError.
    """
    expression = Expression.parse(gate)
    names = expression.names()
    if champion is None and any(name.split(".")[0] == "champion" for name in names):
        return RuleResult(rule=gate, result="not_applicable", why="there is no champion to compare with yet")
    scope: dict[str, Any] = {**metrics, "champion": dict(champion or {}), "parameters": dict(parameters or {})}
    values = {name: expression.look_up(name, scope) for name in names}
    passed = bool(expression.evaluate(scope))
    shown = ", ".join(f"{name} = {_show(value)}" for name, value in values.items())
    why = f"{shown}: {gate} {'holds' if passed else 'does not hold'}"
    return RuleResult(rule=gate, result="passed" if passed else "failed", why=why, values=values)


def _show(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)
