"""What is looked at over time: the metrics of earlier checks, and one number for each row of the window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.monitor.causes.moved import LONGEST, most_changed
from mlops_provider.runtime.monitor.deciding.decisions import read_decisions
from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.monitor.causes.moved import Moved
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

LAST = 60
MOST_SERIES = 4
_MEASURES = {"data_drift": ["drift_share"], "data_quality": ["missing_share"]}
_USUAL = ("drift_share", "prediction_drift", "missing_share", "error_rate")


@dataclass(frozen=True, slots=True)
class Point:
    """One check: when, its metrics, what it said, and the version that answered."""

    at: datetime
    metrics: dict[str, float]
    status: str
    version: str
    actions: tuple[str, ...] = ()
    id: str = ""


def earlier_checks(look: Look) -> list[Point]:
    """Give the last checks before this one, oldest first."""
    found = read_decisions(look.store, look.context.workflow, look.config.environment, last=LAST)
    now = look.context.clock()
    points = [_point(entry) for entry in found if not _same_run(entry, look)]
    return sorted((point for point in points if point.at <= now), key=lambda point: point.at)


def _same_run(entry: dict[str, Any], look: Look) -> bool:
    """Say whether a decision is this run's own, which a second try of the check finds."""
    return str(entry["id"]).rpartition("/")[0] == look.context.identity.rpartition("/")[0]


def _point(entry: dict[str, Any]) -> Point:
    return Point(
        datetime.fromisoformat(entry["at"]),
        dict(entry["metrics"]),
        str(entry["status"]),
        str(entry.get("version", "")),
        tuple(entry["actions"]),
        str(entry["id"]),
    )


def followed(found: Findings) -> list[str]:
    """Give the metrics to follow over the checks: those of the rules that failed first, then the usual ones."""
    names: list[str] = []
    for rule in sorted(found.rules, key=lambda rule: rule.result != "failed"):
        names += [name for name in _MEASURES.get(rule.rule, ()) if name in found.metrics]
        seen: dict[str, Any] = rule.values  # noqa: PD011 (of a rule, no frame)
        names += [name for name in seen if name in found.metrics]
        try:
            names += [name for name in Expression.parse(rule.rule).names() if name in found.metrics]
        except ExpressionError:
            continue
    names += [name for name in _USUAL if name in found.metrics]
    return list(dict.fromkeys(names))[:MOST_SERIES]


@dataclass(frozen=True, slots=True)
class RowSeries:
    """One number for each row, in the order of time; `what` says what it is."""

    what: str
    ts: list[datetime]
    values: list[float]
    share: bool = False


def of_rows(look: Look, moved: list[Moved]) -> RowSeries | None:
    """Give the likeliest cause over the rows: a column that moved, or else how wrong the answers were."""
    for one in moved:
        name = FEATURE_PREFIX + one.column
        if name in look.answered and (series := _column(look, look.answered, one.column)):
            return series
    labelled = look.labelled
    if not moved and len(labelled):
        return _errors(look, labelled)
    return None


def _column(look: Look, rows: pd.DataFrame, column: str) -> RowSeries | None:
    values = rows[FEATURE_PREFIX + column]
    ts = [moment.to_pydatetime() for moment in rows["ts"]]
    profile, before = look.profiles.get(column), look.baseline_profiles.get(column)
    if values.dtype.kind in "iuf":
        numbers = values.astype(float)
        if numbers.isna().mean() > 0.2:  # noqa: PLR2004 (what is missing moved more than what is there)
            return RowSeries(f"the share of missing {column}", ts, numbers.isna().astype(float).tolist(), share=True)
        return RowSeries(f"the mean of {column}", ts, numbers.tolist())
    most = most_changed(before, profile) if before and profile else None
    if most is None:
        return None
    hits = (values.astype("string") == most[0]).fillna(value=False).astype(float)
    return RowSeries(f"the share of {column} = '{most[0][:LONGEST]}'", ts, hits.tolist(), share=True)


def _errors(look: Look, rows: pd.DataFrame) -> RowSeries | None:
    ts = [moment.to_pydatetime() for moment in rows["ts"]]
    if look.signature.task == "regression":
        apart = (rows["prediction"].astype(float) - rows["truth"].astype(float)).abs()
        return RowSeries("the mean absolute error", ts, [value if math.isfinite(value) else 0.0 for value in apart])
    if look.signature.task != "classification":
        return None
    wrong = rows["prediction"].astype("string") != rows["truth"].astype("string")
    return RowSeries("the share of wrong answers", ts, wrong.fillna(value=True).astype(float).tolist(), share=True)
