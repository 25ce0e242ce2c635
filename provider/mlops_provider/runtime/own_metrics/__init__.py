"""Metrics of the workflow's own, by a function or by SQL, each measured in a process of its own."""

from __future__ import annotations

from mlops_provider.runtime.own_metrics.measure import OwnMetrics, measure_own

__all__ = ["OwnMetrics", "measure_own"]
