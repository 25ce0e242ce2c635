"""Metrics by task, as scikit-learn defines them: one module per task, one table of them all."""

from __future__ import annotations

from mlops_provider.runtime.metrics.metric import Metric
from mlops_provider.runtime.metrics.table import (
    LOWER_IS_BETTER,
    METRICS,
    deciding,
    find,
    goodness,
    is_lower_better,
    known,
    measurable,
    usual,
)

__all__ = [
    "LOWER_IS_BETTER", "METRICS", "Metric", "deciding", "find", "goodness", "is_lower_better", "known", "measurable",
    "usual",
]  # fmt: skip
