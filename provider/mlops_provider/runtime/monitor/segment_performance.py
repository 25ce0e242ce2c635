"""Performance in each segment of the window: the values of a column, numbers in quartiles, missing ones apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.explanation.groups import groups_of
from mlops_provider.runtime.intervals import intervals
from mlops_provider.runtime.metrics import deciding, find, goodness
from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.monitor.measures import Measures

    Array = np.ndarray[Any, Any]

MINIMUM_ROWS = 30
"""Smaller segments are shown, but say too little to be judged."""
MOST_SEGMENTS = 20
OTHER = "(other)"
_POSITIVES = 10
WORST = "worst_segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment: labelled rows, whether they are enough to be judged, metrics with 95 % intervals."""

    column: str
    name: str
    rows: int
    judged: bool
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Say which rows it has."""
        return f"{self.column} = {self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def measure_segments(
    answers: Answers, rows: pd.DataFrame, columns: Sequence[str], names: Sequence[str]
) -> tuple[list[Segment], dict[str, str]]:
    """Measure each segment, the worst first; gives them, and why a column has none.

    `rows` are those of the answers, features as x_<name>. A column's segments beyond the 20 largest are one. What is
    worst says the metric that decides for the task; segments that are too small to be judged stand last.
    """
    found: list[Segment] = []
    missing: dict[str, str] = {}
    for column in columns:
        logged = f"{FEATURE_PREFIX}{column}"
        if logged not in rows:
            missing[column] = f"'{column}' is not in the prediction log"
            continue
        codes, labels = _segments_of(rows[logged])
        found += [_segment(answers, column, label, codes == code, names) for code, label in enumerate(labels)]
    decides = deciding(answers.signature.task)

    def badness(one: Segment) -> tuple[bool, bool, float, str]:
        value = one.metrics.get(decides)
        return not one.judged, value is None, goodness(decides, value) if value is not None else 0.0, one.text

    return sorted(found, key=badness), missing


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
        measures.parts[key] = (worst.text, worst.rows)


def _segments_of(column: pd.Series[Any]) -> tuple[Array, list[str]]:
    """Give the number of each row's segment, and their names."""
    import numpy as np

    named = column.rename(str(column.name).removeprefix(FEATURE_PREFIX))
    groups = groups_of(named)
    codes, labels = np.asarray(groups.codes), list(map(str, groups.categories))
    if len(labels) <= MOST_SEGMENTS:
        return codes, labels
    counts = np.bincount(codes, minlength=len(labels))
    largest = np.argsort(-counts, kind="stable")[: MOST_SEGMENTS - 1]
    recoded = np.full(len(labels), MOST_SEGMENTS - 1)
    recoded[largest] = np.arange(MOST_SEGMENTS - 1)
    return recoded[codes], [*(labels[place] for place in largest), OTHER]


def _segment(answers: Answers, column: str, name: str, inside: Array, names: Sequence[str]) -> Segment:
    rows = int(inside.sum())
    if rows < MINIMUM_ROWS:
        return Segment(column=column, name=name, rows=rows, judged=False)
    part, kind = answers.take(inside), answers.signature.kind
    telling = list(names)
    if kind == "binary" and int((part.codes[0] == 1).sum()) < _POSITIVES:
        telling = [each for each in telling if find(kind, each).each is not None]  # a recall of one row says nothing
    metrics = part.measure(telling, {}) if telling else {}
    quick = {each: value for each, value in metrics.items() if find(kind, each).counts or find(kind, each).each}
    return Segment(column=column, name=name, rows=rows, judged=True, metrics=metrics, intervals=intervals(part, quick))
