"""What the test of a service found, and the verdict on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.expressions import Expression
from mlops_provider.runtime.service_test.load import Series
from mlops_provider.verdicts import RuleResult, Verdict, judge_gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_provider.runtime.service_test.cases import Result
    from mlops_provider.runtime.service_test.soak import Soak

_MEASURED = re.compile(
    r"(champion\.)?((soak_)?(error_rate|latency_p(50|95|99)_ms|throughput_rps)(_at_\d+)?|soak_requests"
    r"|memory_growth_mb|rows_per_second)"
)
"""Names that a service which does not answer has no number for."""


@dataclass(slots=True, kw_only=True)
class Tested:
    """What was found. `champion` are its metrics, None without one; `note` says who it is, or why there is none."""

    version: str
    rival: str
    note: str
    metrics: dict[str, float] = field(default_factory=dict)
    champion: dict[str, float] | None = None
    cases: list[Result] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    turns: Series = field(default_factory=Series)
    rival_turns: Series | None = None
    levels: dict[int, Series] = field(default_factory=dict)
    soaked: Soak | None = None
    verdict: Verdict = field(default_factory=lambda: Verdict.of([]))

    def judge(self, gates: Iterable[str], parameters: Mapping[str, Any]) -> None:
        """Judge the gates; what could not be measured fails, with the reason."""
        self.verdict = Verdict.of(self._rule(gate, parameters) for gate in gates)

    def _rule(self, gate: str, parameters: Mapping[str, Any]) -> RuleResult:
        names = Expression.parse(gate).names()
        if self.champion is not None or not any(name.startswith("champion.") for name in names):
            known = {**self.metrics, **{f"champion.{name}": value for name, value in (self.champion or {}).items()}}
            lost = [name for name in names if name not in known and _MEASURED.fullmatch(name)]
            if lost:
                reason = "; ".join(self.troubles) or "it is not part of this test: see 'concurrency' and 'soak'"
                why = f"{', '.join(lost)} could not be measured: {reason}"
                return RuleResult(rule=gate, result="failed", why=why)
        n = self._requests(names[0]) if names else None
        result = judge_gate(gate, self.metrics, champion=self.champion, parameters=parameters, rows=n)
        if result.result == "not_applicable":
            return RuleResult(rule=gate, result="not_applicable", why=self.note)
        why = "; ".join(self._reasons(names)) if result.result == "failed" else ""
        if not why:
            return result
        fields = {name: getattr(result, name) for name in ("values", "value", "threshold", "baseline", "n")}
        return RuleResult(rule=gate, result=result.result, why=f"{result.why} ({why})", **fields)

    def _requests(self, name: str) -> int | None:
        """Give of how many requests a metric is."""
        if name.endswith("_failures"):
            return sum(f"{case.kind}_failures" == name for case in self.cases)
        if name.startswith(("soak_", "memory_")):
            return len(self.soaked.series) if self.soaked else 0
        if level := re.search(r"_at_(\d+)$", name):
            return len(self.levels.get(int(level[1]), []))
        return None if name in {"golden_mismatches", "rows_per_second"} else len(self.turns)

    def _reasons(self, names: Iterable[str]) -> list[str]:
        """Give what explains a failed gate: the cases that failed, or what requests got."""
        kinds = [name.removesuffix("_failures") for name in names if name.endswith("_failures")]
        if kinds:
            return [case.sentence() for case in self.cases if case.kind in kinds and not case.passed][:5]
        return self.troubles if any("error_rate" in name or "golden" in name for name in names) else []

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "version": self.version,
            "metrics": self.metrics,
            "champion": self.champion,
            "note": self.note,
            "troubles": self.troubles,
            "not_run": self.left_out,
            "cases": [case.to_dict() for case in self.cases],
            "verdict": self.verdict.to_dict(),
        }
