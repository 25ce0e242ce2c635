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
    """One rule: the condition, what it saw, how it ended and, in a sentence, why.

    A rule that is one comparison has the `value` that it judged and the `threshold`. `baseline` is the champion's value
    of the same metric, `slice` the part of the rows that the value is of, where it is not all, `n` how many rows
    (in a ranking, queries) that is.
    """

    rule: str
    result: Result
    why: str
    values: dict[str, Any] = field(default_factory=dict)
    value: float | None = None
    threshold: float | None = None
    baseline: float | None = None
    slice: str = ""
    n: int | None = None


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
        """Give a table with one row per rule; numbers have their columns where a rule has them."""
        if not self.rules:
            return f"**{self.status}**\n"
        columns = [name for name in _COLUMNS if any(getattr(rule, name) not in {None, ""} for rule in self.rules)]
        lines = [["rule", "result", *(_COLUMNS[name] for name in columns), "why"]]
        lines.append(["---"] * len(lines[0]))
        for rule in self.rules:
            shown = [_cell(getattr(rule, name)) for name in columns]
            lines.append([f"`{rule.rule}`", rule.result.replace("_", " "), *shown, _cell(rule.why)])
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"**{self.status}**\n\n{table}\n"


_COLUMNS = {"value": "value", "threshold": "threshold", "baseline": "champion", "slice": "slice", "n": "rows"}


def judge_gate(
    gate: str,
    metrics: Mapping[str, Any],
    *,
    champion: Mapping[str, Any] | None,
    parameters: Mapping[str, Any] | None = None,
    rows: int | None = None,
    slices: Mapping[str, tuple[str, int]] | None = None,
) -> RuleResult:
    """Evaluate one gate on metrics; `parameters.<name>` are the run's.

    `champion` holds the champion's metrics on the same rows, or None when there is no champion: a gate that names it,
    or the gain over it, is then not applicable. `rows` is what the metrics were measured on; `slices` says of names,
    such as `worst.recall`, which slice they are of and how many rows it has. A missing or NaN metric raises
    ExpressionError. At the threshold `>=` and `<=` hold and `>` and `<` do not; what differs by less than 1e-12 is
    equal.
    """
    expression = Expression.parse(gate)
    names = expression.names()
    if champion is None and any(name.split(".")[0] in {"champion", "gain"} for name in names):
        return RuleResult(rule=gate, result="not_applicable", why="there is no champion to compare with yet")
    scope: dict[str, Any] = {**metrics, "champion": dict(champion or {}), "parameters": dict(parameters or {})}
    values = {name: expression.look_up(name, scope) for name in names}
    passed = bool(expression.evaluate(scope))
    shown = ", ".join(f"{name} = {_show(value)}" for name, value in values.items())
    where, n = next(((slices or {})[name] for name in names if name in (slices or {})), ("", rows))
    why = f"{shown}{f' where {where}' if where else ''}: {gate} {'holds' if passed else 'does not hold'}"
    value, threshold, judged = _judged(expression, scope)
    return RuleResult(
        rule=gate,
        result="passed" if passed else "failed",
        why=why,
        values=values,
        value=value,
        threshold=threshold,
        baseline=_number((champion or {}).get(metric_of(judged))),
        slice=where,
        n=n,
    )


def metric_of(name: str) -> str:
    """Give the metric that a name in a gate is about: 'recall' of 'worst.recall', 'champion.recall', 'gain.recall.low'.

    Empty for what is no metric, such as 'parameters.x'.
    """
    first, _, rest = name.partition(".")
    if first == "gain":
        return rest.rpartition(".")[0] or rest
    return {"champion": rest, "worst": rest, "parameters": ""}.get(first, name)


def _judged(expression: Expression, scope: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """Give value and threshold of a single comparison, and the first name on the value's side."""
    names = [name for name in expression.names() if metric_of(name)]
    sides = expression.sides()
    if sides is None:
        return None, None, names[0] if names else ""
    left, _, right = sides
    if not _judges(left) and _judges(right):
        left, right = right, left
    judged = next((name for name in left.names() if metric_of(name)), "")
    return _number(left.evaluate(scope)), _number(right.evaluate(scope)), judged


def _judges(side: Expression) -> bool:
    """Say whether a side names what the model is judged by, and not just the champion or a parameter."""
    return any(name.split(".")[0] not in {"champion", "parameters"} for name in side.names())


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _cell(value: object) -> str:
    """Give a cell of a Markdown table."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return _show(value).replace("|", "\\|").replace("\n", " ")


def _show(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)
