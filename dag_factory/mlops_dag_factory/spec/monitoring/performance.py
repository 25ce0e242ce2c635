"""Checks of how good the answers are: estimates, business numbers, fairness, importances."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mlops_dag_factory.spec.base import ShorthandSpec, Spec
from mlops_dag_factory.spec.monitoring.drift import Severity


class BusinessMetric(ShorthandSpec):
    """A number of the business over the window; the query alone will do."""

    shorthand: ClassVar = "sql"

    sql: str = Field(
        min_length=1,
        description="Query that gives one number from the table `predictions`: the window's answered rows with "
        "request_id, ts, prediction, probability, truth (empty where it is not known yet) and x_<feature>.",
    )


class FairnessCheck(Spec):
    """How groups of people are treated now, against how the training rows were."""

    one_or_many: ClassVar = frozenset({"sensitive"})

    sensitive: list[str] = Field(min_length=1, description="Features whose groups should be treated alike.")
    favorable: str = Field(default="", description="Class that is good for a person; default: the second of two.")


class ImportanceCheck(Spec):
    """Whether the model still looks at what it looked at when it was trained."""

    correlation: float = Field(
        default=0.5, ge=-1, le=1, description="Least rank correlation of the importances now and on the training rows."
    )
    rows: int = Field(default=2_000, ge=100, description="Most labelled rows, of the window and of the training each.")
    scoring: str = Field(default="", description="Metric that is lost; default: accuracy, or rmse for numbers.")
    severity: Severity = Field(
        default="warn", description="fail: another order is a breach; warn: it is shown, other checks decide."
    )
