"""What is measured on the window: performance on labelled rows, and how the service answered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.runtime import metrics as measured
from mlops_provider.verdicts import RuleResult, judge_gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import Signature

SERVICE = ("latency_p95_ms", "error_rate", "requests")
CHECKED = ("rows", "labelled", "missing_share", "drift_share", "prediction_drift")
FAILED_STATUS = 400
_TWO = 2


def performance(signature: Signature, rows: pd.DataFrame) -> dict[str, float]:
    """Give the metrics of rows that have prediction and truth; those that are not defined for them are left out.

    The log has the probability of the predicted class: enough for log_loss and roc_auc of two classes, not of more.
    """
    kind: Any = {"integer": "int64", "float": "float64", "boolean": "bool"}.get(signature.target_type, "object")
    truth, predicted = (rows[name].astype(kind).to_numpy() for name in ("truth", "prediction"))
    return measured.compute(
        signature.task, truth, predicted, _probabilities(signature, rows, predicted), signature.classes
    )


def service(window: pd.DataFrame) -> dict[str, float]:
    """Give latency, share of failed requests and number of requests; each request counts once."""
    requests = window.drop_duplicates(["request_id", "ts"])
    found = {
        "error_rate": float((requests["status"] >= FAILED_STATUS).mean()),
        "requests": float(len(requests)),
        "latency_p95_ms": float(requests["latency_ms"].astype(float).quantile(0.95)),
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def require_known(gates: Iterable[str], signature: Signature) -> None:
    """Raise ExpressionError for a gate on something that the monitor never measures."""
    known: tuple[str, ...] = measured.REGRESSION if signature.task == "regression" else measured.CLASSIFICATION
    if len(signature.classes) > _TWO:
        known = tuple(name for name in known if name not in {"log_loss", "roc_auc"})
    names = sorted({*known, *SERVICE, *CHECKED})
    for gate in gates:
        for name in Expression.parse(gate).names():
            if name not in names:
                raise ExpressionError(
                    gate, f"the monitor does not measure '{name}'", hint=f"it measures: {', '.join(names)}"
                )


def judge(gate: str, metrics: Mapping[str, float]) -> RuleResult:
    """Judge a gate; what could not be measured on this window makes it not applicable."""
    missing = [name for name in Expression.parse(gate).names() if name not in metrics]
    if missing:
        why = f"{', '.join(missing)} cannot be measured on this window"
        return RuleResult(rule=gate, result="not_applicable", why=why)
    return judge_gate(gate, metrics, champion=None)


def _probabilities(
    signature: Signature, rows: pd.DataFrame, predicted: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any] | None:
    import numpy as np

    given = rows["probability"].astype(float).to_numpy()
    if len(signature.classes) != _TWO or np.isnan(given).any():
        return None
    positive = np.where(predicted == signature.classes[1], given, 1 - given)
    return np.column_stack([1 - positive, positive])
