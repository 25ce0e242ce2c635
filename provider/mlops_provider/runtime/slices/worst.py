"""The worst value of a metric in any slice of one condition: what gates call `worst.<metric>`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.runtime.metrics import LOWER_IS_BETTER, find
from mlops_provider.runtime.slices.cuts import cut_columns
from mlops_provider.runtime.slices.settings import settings
from mlops_provider.runtime.slices.units import Units

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from mlops_dag_factory.spec.evaluate import SlicesSpec
    from mlops_provider.runtime.answers import Answers

MEASURED_ROWS = 10_000
"""Rows of one slice on which a metric is measured; of more, as many at equal distances."""
_POSITIVES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstValue:
    """The worst value of a metric, the slice that has it, and how many rows (or queries) that slice has."""

    value: float
    slice: str
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def worst_values(
    answers: Answers,
    frame: pd.DataFrame,
    config: SlicesSpec | Literal["auto", "none"],
    names: Sequence[str],
    *,
    lower_is_better: Collection[str] = LOWER_IS_BETTER,
) -> dict[str, WorstValue]:
    """Give the worst value of each metric over the slices of one condition with at least `minimum_rows`.

    The slices are the tenths of a number or a time, the values of any other column (rare ones together), and missing
    values. A slice in which the metric is not defined does not count, nor, for a metric of two classes that is no mean
    over the rows, one with fewer than ten rows of the positive class: a recall of one row says nothing. A metric that
    is defined in no slice is left out. Nothing is tested: the value is that of the rows at hand.
    """
    import numpy as np

    found: dict[str, WorstValue] = {}
    if config == "none" or not names:
        return found
    chosen = settings(config)
    units = Units.of(answers, frame, list(chosen.columns))
    kind, classes = answers.signature.kind, answers.signature.classes
    positive = answers.truth == classes[1] if kind == "binary" else None
    means = [name for name in names if find(kind, name).each is not None]
    cuts, _ = cut_columns(units.frame, units.columns, chosen.minimum_rows)
    for cut in cuts:
        counts = np.bincount(cut.codes)
        for code in np.flatnonzero(counts >= chosen.minimum_rows):
            rows = units.rows_of(cut.codes == code)
            telling = list(names) if positive is None or int(positive[rows].sum()) >= _POSITIVES else means
            measured = units.measure(answers, rows, telling, most=MEASURED_ROWS) if telling else {}
            for name, value in measured.items():
                sign = 1 if name in lower_is_better else -1
                if name not in found or sign * value > sign * found[name].value:
                    text = cut.text(int(code), int(code))
                    found[name] = WorstValue(value=value, slice=text, rows=int(counts[code]))
    return found
