"""Drift scores and the page with the plots, both Evidently's, with pinned methods.

Evidently's automatic choice of methods changes with the number of rows and between p-values and distances; here
numbers get the Wasserstein distance over the baseline's standard deviation, categories the Jensen-Shannon distance.
"""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

SAMPLE_ROWS = 5000
_SMALLEST_SPREAD = 0.001


@dataclass(frozen=True, slots=True)
class Compared:
    """A column on both sides, whether its values are categories, and the score from which it counts as drifted."""

    baseline: pd.Series[Any]
    window: pd.Series[Any]
    categorical: bool
    threshold: float
    method: str | None = None

    def pinned_method(self) -> str:
        """Give the method: the wanted one where it is defined for the column, else the default of its kind."""
        if self.categorical:
            return self.method if self.method in {"jensenshannon", "psi"} else "jensenshannon"
        return self.method or "wasserstein"

    def shift(self) -> float:
        """Say roughly how far the column moved, to show the worst first."""
        if self.categorical:
            before, after = (side.value_counts(normalize=True) for side in (self.baseline, self.window))
            return float(before.sub(after, fill_value=0.0).abs().sum())
        spread = max(float(self.baseline.std()), _SMALLEST_SPREAD) if len(self.baseline) > 1 else _SMALLEST_SPREAD
        return abs(float(self.window.mean() - self.baseline.mean())) / spread


@dataclass(slots=True)
class DriftScores:
    """Score and method of each column; of the columns that could not be scored, why."""

    scores: dict[str, float] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def score_drift(columns: Mapping[str, Compared], page: Path) -> DriftScores:
    """Score every column of a window against its baseline and write the page with the plots, the worst first.

    Both sides are sampled down to 5,000 rows (seeded). A column that makes Evidently fail does not lose the others.
    """
    found = DriftScores()
    if not columns:
        return found
    sampled = {
        name: Compared(*_sampled(one), one.categorical, one.threshold, one.method) for name, one in columns.items()
    }
    order = sorted(sampled, key=lambda name: -sampled[name].shift())
    sampled = {name: sampled[name] for name in order}
    try:
        snapshot = _run(sampled)
    except Exception:  # noqa: BLE001 (Evidently lets through whatever a column raises; which one, is found here)
        for name in order:
            try:
                _run({name: sampled[name]})
            except Exception as err:  # noqa: BLE001 (as above)
                found.failed[name] = f"cannot be scored ({type(err).__name__})"
        sampled = {name: one for name, one in sampled.items() if name not in found.failed}
        if not sampled:
            return found
        snapshot = _run(sampled)
    snapshot.save_html(str(page))
    found.methods = {name: one.pinned_method() for name, one in sampled.items()}
    for metric in snapshot.dict()["metrics"]:
        name, value = metric["config"]["column"], float(metric["value"])
        if math.isfinite(value):
            found.scores[name] = value
        else:
            found.failed[name] = "has no finite score"
    return found


def _run(columns: Mapping[str, Compared]) -> Any:
    import pandas as pd

    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(
            numerical_columns=[name for name, one in columns.items() if not one.categorical],
            categorical_columns=[name for name, one in columns.items() if one.categorical],
        )
        metrics = [
            ValueDrift(column=name, method=one.pinned_method(), threshold=one.threshold)
            for name, one in columns.items()
        ]
        baseline, window = (
            Dataset.from_pandas(pd.DataFrame(side), data_definition=definition)
            for side in (
                {name: one.baseline for name, one in columns.items()},
                {name: one.window for name, one in columns.items()},
            )
        )
        return Report(metrics, include_tests=True).run(current_data=window, reference_data=baseline)


def _sampled(column: Compared) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Give both sides, sampled in the same rows for every column, in their order."""
    before, after = (
        side if len(side) <= SAMPLE_ROWS else side.sample(SAMPLE_ROWS, random_state=0).sort_index()
        for side in (column.baseline, column.window)
    )
    return before.reset_index(drop=True), after.reset_index(drop=True)
