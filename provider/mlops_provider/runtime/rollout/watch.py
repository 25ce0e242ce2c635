"""The watch of a release: its rules on what was measured, each with value, threshold and number of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_provider.expressions import Expression
from mlops_provider.runtime.rollout.measures import measure
from mlops_provider.verdicts import RuleResult, Verdict, judge_gate

if TYPE_CHECKING:
    from datetime import datetime

    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.rollout.measures import Measured
    from mlops_provider.store.services import ServedVersion


@dataclass(frozen=True, slots=True)
class Judged:
    """The rules and how they stand. `open` says what is still missing before all can be judged."""

    verdict: Verdict
    metrics: dict[str, float]
    open: tuple[str, ...] = ()

    @property
    def broken(self) -> str:
        """Say which rules do not hold; empty where all do."""
        return "; ".join(self.verdict.failures())

    def sentence(self) -> str:
        """Say how the rules stand."""
        said = [rule.why for rule in self.verdict.rules] or ["nothing was watched"]
        return "; ".join([f"{self.metrics.get('requests', 0):.0f} requests", *said])


def judge(
    config: ReleaseSpec, context: RunContext, candidate: ServedVersion, live: ServedVersion | None, since: datetime
) -> Judged:
    """Measure both versions since a moment and judge the rules that can be judged."""
    return judged(config, context, measure(config, context, candidate, live, since))


def judged(config: ReleaseSpec, context: RunContext, found: Measured) -> Judged:
    """Judge the rules on what was measured; too few requests judge nothing."""
    metrics = dict(found.candidate)
    metrics.setdefault("requests", 0.0)
    count, least = int(metrics["requests"]), config.minimum_requests
    if count < least:
        return Judged(Verdict(status="vacuous"), metrics, (f"{count} of {least} requests have come",))
    rules: list[RuleResult] = []
    missing: list[str] = []
    for gate in config.watch:
        why = _missing(gate, found, least)
        if why:
            missing.append(why)
            rules.append(RuleResult(rule=gate, result="not_applicable", why=why))
        else:
            rules.append(judge_gate(gate, metrics, champion=found.live, parameters=context.parameters, rows=count))
    return Judged(Verdict.of(rules), metrics, tuple(dict.fromkeys(missing)))


def _missing(gate: str, found: Measured, least: int) -> str:
    """Say what a rule lacks; empty where it can be judged."""
    for name in Expression.parse(gate).names():
        first, _, rest = name.partition(".")
        if first == "parameters":
            continue
        if first == "champion" and (count := int(found.live.get("requests", 0))) < least:
            return f"{count} of {least} requests have come to the live version"
        values, wanted = (found.live, rest) if first == "champion" else (found.candidate, name)
        if wanted not in values:
            return found.open.get(wanted, f"'{name}' cannot be measured yet")
    return ""
