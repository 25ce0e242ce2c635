"""All numbers of an evaluation: metrics with intervals, the champion's on the same rows, the gain over it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.expressions import Expression
from mlops_provider.runtime.gains import Gain, gains
from mlops_provider.runtime.intervals import intervals_of
from mlops_provider.runtime.metrics import known, usual
from mlops_provider.runtime.resampling import resample
from mlops_provider.verdicts import metric_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_dag_factory.spec.evaluate import EvaluateSpec
    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.own_metrics import OwnMetrics
    from mlops_provider.store.models import Kind


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured on n rows (of a ranking, n queries, without the `left_out` that say nothing).

    `intervals` are 95 % intervals; `champion` its metrics, None where there is nothing to compare with; `undefined` and
    `champion_undefined` the reasons of those that the rows do not define, by name; `notes` why one has no interval.
    """

    metrics: dict[str, float]
    n: int
    left_out: int = 0
    unit: str = "rows"
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    champion: dict[str, float] | None = None
    gain: dict[str, Gain] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    champion_undefined: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: EvaluateSpec, answers: Answers, champion: Answers | None) -> Self:
        """Measure what the phase asks for and its gates name."""
        names = wanted(config, answers.signature.kind)
        undefined: dict[str, str] = {}
        champion_undefined: dict[str, str] = {}
        found = answers.measure(names, undefined) if names else {}
        of_champion = None
        if champion is not None:
            of_champion = champion.measure(names, champion_undefined) if names else {}
        gain: dict[str, Gain] = {}
        if champion is not None and of_champion is not None:
            both = [name for name in found if name in of_champion]
            draws = resample([answers, champion], both)
            gain = gains(answers, champion, found, of_champion, draws)
            draws |= resample([answers], [name for name in found if name not in both])
        else:
            draws = resample([answers], found)
        n, left_out = answers.units()
        return cls(
            metrics=found,
            n=n,
            left_out=left_out,
            unit="queries" if answers.signature.task == "ranking" else "rows",
            intervals=intervals_of(draws, found),
            champion=of_champion,
            gain=gain,
            undefined=undefined,
            champion_undefined=champion_undefined,
        )

    def joined(self, own: OwnMetrics) -> Self:
        """Give these and the metrics of the workflow's own."""
        return replace(
            self,
            metrics={**self.metrics, **own.metrics},
            intervals={**self.intervals, **own.intervals},
            champion=None if self.champion is None else {**self.champion, **own.champion},
            gain={**self.gain, **own.gain},
            notes=own.notes,
        )

    def scope(self) -> dict[str, Any]:
        """Give the names that gates know, beside `champion` and `parameters`."""
        return {**self.metrics, "gain": {name: gain.to_dict() for name, gain in self.gain.items()}}

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form of what stands beside the metrics."""
        return {
            "rows": self.n,
            "left_out": self.left_out,
            "intervals": self.intervals,
            "champion": self.champion,
            "gain": {name: gain.to_dict() for name, gain in self.gain.items()},
            "undefined": self.undefined,
            "champion_undefined": self.champion_undefined,
            "notes": self.notes,
        }

    def to_markdown(self, note: str) -> str:
        """Give a table of the metrics; `note` says what they are compared with."""
        head = ["metric", "this model", "95 % interval"]
        head += ["champion", "gain", "95 % interval", "p"] if self.champion is not None else []
        lines = [head, ["---"] * len(head)]
        for name, value in self.metrics.items():
            line = [name, f"{value:.4f}", _between(self.intervals.get(name))]
            if self.champion is not None:
                other, gain = self.champion.get(name), self.gain.get(name)
                line.append("" if other is None else f"{other:.4f}")
                line += _of_gain(gain) if gain else ["", "", ""]
            lines.append(line)
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        out = f"; {self.left_out:,} {self.unit} say nothing about an order" if self.left_out else ""
        return f"On {self.n:,} {self.unit} the model has not seen{out}; {note}.\n\n{table}\n{self._missing()}"

    def _missing(self) -> str:
        lines = [f"- {name}: {why}" for name, why in self.undefined.items()]
        lines += [f"- {name} of the champion: {why}" for name, why in self.champion_undefined.items()]
        lines += [f"- the interval of {name}: {why}" for name, why in self.notes.items()]
        return "\nNot measured:\n\n" + "\n".join(lines) + "\n" if lines else ""


def wanted(config: EvaluateSpec, kind: Kind) -> list[str]:
    """Give the metrics to measure: those of the phase, else the usual ones, and those that its gates name."""
    asked = [metric.name for metric in config.metrics if metric.python is None and metric.sql is None]
    first = asked if config.metrics else usual(kind)
    return list(dict.fromkeys([*first, *(name for name in in_gates(config.gates) if name in known(kind))]))


def in_gates(gates: Iterable[str]) -> list[str]:
    """Give the metrics that gates are about, in their order."""
    names = (metric_of(name) for gate in gates for name in Expression.parse(gate).names())
    return list(dict.fromkeys(name for name in names if name))


def _between(interval: tuple[float | None, float | None] | None) -> str:
    if interval is None or interval[0] is None or interval[1] is None:
        return ""
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def _of_gain(gain: Gain) -> list[str]:
    p_value = "" if gain.p_value is None else "< 0.001" if gain.p_value < 0.001 else f"{gain.p_value:.3f}"  # noqa: PLR2004
    return [f"{gain.value:+.4f}", _between((gain.low, gain.high)), p_value]
