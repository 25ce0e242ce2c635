"""Performance in each segment of the window."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.intervals import intervals
from mlops_provider.runtime.metrics import deciding, find, goodness
from mlops_provider.runtime.table import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.monitor.performance.measures import Measures
    from mlops_provider.runtime.monitor.windows.segments import Segments

    Array = np.ndarray[Any, Any]

MINIMUM_ROWS = 30
"""Smaller segments are shown, but say too little to be judged."""
_POSITIVES = 10
WORST = "worst_segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment: labelled rows, whether they are enough to be judged, metrics with 95 % intervals."""

    name: str
    rows: int
    judged: bool
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def rows_by_segment(rows: pd.DataFrame, segments: Segments) -> dict[str, Array]:
    """Give the rows of the log (n booleans) that are in each segment; those without rows lack."""
    conditions = segments.conditions(list(rows.columns))
    if not conditions:
        return {}
    asked = ", ".join(f"coalesce({condition}, false)" for condition in conditions.values())
    with connect() as connection:
        connection.register("labelled", rows.drop(columns=["truth", "prediction"]))
        found = connection.execute(f"SELECT {asked} FROM labelled").fetchnumpy()
    inside = dict(zip(conditions, found.values(), strict=True))
    return {name: mask for name, mask in inside.items() if mask.any()}


def measure_segments(answers: Answers, inside: Mapping[str, Array], names: Sequence[str]) -> list[Segment]:
    """Measure the rows of each segment, the worst first, by the metric that decides for the task.

    Segments that are too small to be judged stand last.
    """
    decides = deciding(answers.signature.task)

    def badness(one: Segment) -> tuple[bool, bool, float, str]:
        value = one.metrics.get(decides)
        return not one.judged, value is None, goodness(decides, value) if value is not None else 0.0, one.name

    return sorted((_segment(answers, name, mask, names) for name, mask in inside.items()), key=badness)


def add_worst(segments: Sequence[Segment], names: Sequence[str], measures: Measures) -> None:
    """Give gates the worst value of each metric in any segment that is judged, as worst_segment.<metric>."""
    for name in names:
        having = [one for one in segments if one.judged and name in one.metrics]
        if not having:
            measures.missing[f"{WORST}.{name}"] = f"no segment with {MINIMUM_ROWS} labelled rows defines {name}"
            continue
        worst = min(having, key=lambda one: goodness(name, one.metrics[name]))
        key = f"{WORST}.{name}"
        ends = {name: worst.intervals[name]} if name in worst.intervals else {}
        measures.add({name: worst.metrics[name]}, worst.rows, ends, before=f"{WORST}.")
        measures.parts[key] = (worst.name, worst.rows)


def _segment(answers: Answers, name: str, inside: Array, names: Sequence[str]) -> Segment:
    rows = int(inside.sum())
    if rows < MINIMUM_ROWS:
        return Segment(name=name, rows=rows, judged=False)
    part, kind = answers.take(inside), answers.signature.kind
    telling = list(names)
    if kind == "binary" and int((part.codes[0] == 1).sum()) < _POSITIVES:
        telling = [each for each in telling if find(kind, each).each is not None]  # a recall of one row says nothing
    metrics = part.measure(telling, {}) if telling else {}
    quick = {each: value for each, value in metrics.items() if find(kind, each).counts or find(kind, each).each}
    return Segment(name=name, rows=rows, judged=True, metrics=metrics, intervals=intervals(part, quick))
