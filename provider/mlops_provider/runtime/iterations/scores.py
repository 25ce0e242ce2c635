"""The metrics of a checkpoint from run to run: which way is better, what fell, how it went before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics import LOWER_IS_BETTER, METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.records import Record


@dataclass(frozen=True, slots=True)
class Step:
    """One metric in two runs; `direction` is what is better: higher, lower, zero (the nearer), or '' where nothing is.

    `sure` says whether the earlier value lies outside the later one's 95 % interval; None where there is no interval.
    """

    name: str
    earlier: float | None
    later: float | None
    direction: str = ""
    sure: bool | None = None

    @property
    def difference(self) -> float | None:
        """How much the value moved."""
        return None if self.earlier is None or self.later is None else self.later - self.earlier

    @property
    def better(self) -> bool | None:
        """Whether the later value is better; None where it is equal, or nobody can say."""
        if not self._gain or not self.direction:
            return None
        return self._gain > 0

    @property
    def fall(self) -> float:
        """By how much it got worse, above 0; 0 where it did not."""
        return abs(self._gain) if self.better is False else 0.0

    @property
    def _gain(self) -> float:
        if self.earlier is None or self.later is None:
            return 0.0
        if self.direction == "zero":
            return abs(self.earlier) - abs(self.later)
        return (self.later - self.earlier) * (1 if self.direction == "higher" else -1)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "difference": self.difference, "better": self.better}


def directions(record: Record) -> dict[str, str]:
    """Say of each metric of an evaluation which way is better; custom ones say it in its config."""
    names = {name for metrics in METRICS.values() for name in metrics}
    found = {name: "lower" if name in LOWER_IS_BETTER else "higher" for name in names} | {"bias": "zero"}
    for metric in record["config"].get("metrics") or ():
        if isinstance(metric, dict) and (metric.get("python") or metric.get("sql")):
            found[metric["name"]] = "lower" if metric.get("lower_is_better") else "higher"
    return found


def steps(earlier: Record, later: Record) -> list[Step]:
    """Compare the metrics of one phase in two runs, in the order of the later one."""
    old, new = (record.get("metrics") or {} for record in (earlier, later))
    ways = directions(later) if later["phase_type"] == "evaluate" else {}
    intervals = (later.get("details") or {}).get("intervals") or {}
    return [
        Step(name, old.get(name), new.get(name), ways.get(name, ""), _sure(old.get(name), intervals.get(name)))
        for name in [*new, *(name for name in old if name not in new)]
    ]


def _sure(before: float | None, interval: Any) -> bool | None:
    """Say whether a value lies outside an interval of [low, high], or of a map with both."""
    if before is None or not interval:
        return None
    low, high = (interval["low"], interval["high"]) if isinstance(interval, dict) else interval
    return bool(not low <= before <= high)


def worst_step(found: list[Step], verdict: Mapping[str, Any] | None) -> Step | None:
    """Give the metric to look into: of those that fell, one of a gate that failed first, then what fell most.

    How much is measured against the earlier value, so that metrics of other units can be compared.
    """
    failed = {
        name
        for rule in (verdict or {}).get("rules", ())
        if rule["result"] == "failed"
        for name in rule.get("values") or {}
    }
    fallen = [step for step in found if step.fall]
    return max(fallen, key=lambda s: (s.name in failed, s.fall / (abs(s.earlier or 0.0) or 1.0)), default=None)
