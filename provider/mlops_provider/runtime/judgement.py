"""Judge the gates of an evaluation on what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError, ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.verdicts import RuleResult, judge_gate, metric_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from mlops_dag_factory.spec.evaluate import EvaluateSpec
    from mlops_provider.runtime.measurement import Measurement
    from mlops_provider.runtime.slices import WorstValue


@dataclass(frozen=True, slots=True)
class Judgement:
    """What gates are judged on.

    `note` says why there is no champion, `worst` are the worst values in slices, `own` the names of metrics of the
    workflow's own.
    """

    measured: Measurement
    note: str
    parameters: Mapping[str, Any]
    worst: Mapping[str, WorstValue]
    own: Collection[str] = ()

    def rules(self, gates: Iterable[str]) -> list[RuleResult]:
        """Judge each gate."""
        return [self._rule(gate) for gate in gates]

    def _rule(self, gate: str) -> RuleResult:
        measured = self.measured
        for name in Expression.parse(gate).names():
            metric, first = metric_of(name), name.split(".")[0]
            if first not in {"champion", "parameters"} and metric in measured.undefined:
                raise ExpressionError(gate, f"'{metric}' is missing: {measured.undefined[metric]}")
            if (
                first in {"champion", "gain"}
                and measured.champion is not None
                and metric in measured.champion_undefined
            ):
                why = f"the champion has no {metric}: {measured.champion_undefined[metric]}"
                return RuleResult(rule=gate, result="not_applicable", why=why)
            if first == "worst" and metric in self.own:
                raise ExpressionError(gate, f"'{name}' is not measured: metrics of your own are those of all rows")
            if first == "worst" and metric in measured.metrics and metric not in self.worst:
                why = f"no slice with enough rows defines {metric}"
                return RuleResult(rule=gate, result="not_applicable", why=why)
        result = judge_gate(
            gate,
            {**measured.scope(), "worst": {name: worst.value for name, worst in self.worst.items()}},
            champion=measured.champion,
            parameters=self.parameters,
            rows=measured.n,
            slices={f"worst.{name}": (worst.slice, worst.rows) for name, worst in self.worst.items()},
        )
        if result.result == "not_applicable":
            return RuleResult(rule=gate, result="not_applicable", why=self.note)
        return result


def worst_in_gates(gates: Iterable[str]) -> list[str]:
    """Give the metrics whose worst value in any slice gates name."""
    names = (name for gate in gates for name in Expression.parse(gate).names())
    return list(dict.fromkeys(metric_of(name) for name in names if name.startswith("worst.")))


def require_asked(config: EvaluateSpec, measured: Measurement) -> None:
    """Raise DataError for a metric that the phase asks for by name and that could not be measured."""
    missing = [metric.name for metric in config.metrics if metric.name in measured.undefined]
    if missing:
        raise DataError(
            "; ".join(f"the metric '{name}' cannot be measured: {measured.undefined[name]}" for name in missing),
            hint="leave it out of 'metrics', or evaluate on rows that define it",
        )
