"""Drift scores and the report with plots, both Evidently's, with pinned methods.

Evidently's automatic choice of methods changes with the number of rows and between p-values and distances; here
numbers get the Wasserstein distance over the baseline's standard deviation, categories the Jensen-Shannon distance.
"""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

SAMPLE_ROWS = 5000
PREDICTION = "prediction"


@dataclass(frozen=True, slots=True)
class DriftScores:
    """Score of each column, and the methods that gave them."""

    scores: dict[str, float]
    methods: dict[str, str]


def score_drift(
    baseline: pd.DataFrame,
    window: pd.DataFrame,
    *,
    numbers: list[str],
    categories: list[str],
    thresholds: dict[str, float],
    method: str | None,
    page: Path,
) -> DriftScores:
    """Score every column of a window against a baseline and write the page with the plots.

    Both sides are sampled down to 5,000 rows (seeded). `method` overrides the method of the number columns, and
    of the others where it is defined for categories.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        methods = dict.fromkeys(numbers, method or "wasserstein")
        methods |= {name: method if method in {"jensenshannon", "psi"} else "jensenshannon" for name in categories}
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        metrics = [
            ValueDrift(column=name, method=chosen, threshold=thresholds[name]) for name, chosen in methods.items()
        ]
        sides = [
            Dataset.from_pandas(_sample(frame[list(methods)]), data_definition=definition)
            for frame in (window, baseline)
        ]
        snapshot = Report(metrics, include_tests=True).run(current_data=sides[0], reference_data=sides[1])
        snapshot.save_html(str(page))
    scores: dict[str, float] = {}
    for metric in snapshot.dict()["metrics"]:
        value = float(metric["value"])
        if math.isfinite(value):
            scores[metric["config"]["column"]] = value
    return DriftScores(scores, methods)


def _sample(frame: Any) -> Any:
    return frame if len(frame) <= SAMPLE_ROWS else frame.sample(SAMPLE_ROWS, random_state=0)
