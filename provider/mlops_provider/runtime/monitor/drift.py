"""Drift of the window's features and predictions from the baseline: the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.comparison import compare_columns, values_of
from mlops_provider.runtime.drift import Compared, score_drift
from mlops_provider.runtime.monitor.drift_verdict import judge_features, judge_predictions
from mlops_provider.runtime.monitor.profiles import PREDICTION
from mlops_provider.runtime.monitor.report import PLOTS
from mlops_provider.store.models import PREDICTION_COLUMN, Signature

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.monitoring.drift import PredictionDriftCheck
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look


def check_drift(look: Look, found: Findings) -> None:
    """Score every feature and the predictions, write the page with the plots, and judge."""
    checks, signature, window = look.config.checks, look.signature, look.answered
    features, predictions = checks.data_drift, checks.prediction_drift
    if features is None and predictions is None:
        return
    baseline = look.baseline
    compared: dict[str, Compared] = {}
    total = 0
    if features:
        columns = compare_columns(signature, baseline, window)
        found.threshold, found.bad_columns, found.notes = features.threshold, columns.bad, columns.notes
        total = columns.total
        for name in (*columns.numbers, *columns.categories):
            categorical = name in columns.categories
            sides = columns.baseline[name], columns.window[name]
            compared[name] = Compared(*sides, categorical, features.threshold, features.method)
    if predictions and window["prediction"].notna().any():
        compared[PREDICTION] = _predictions(signature, predictions, baseline[PREDICTION_COLUMN], window["prediction"])
    drift = score_drift(compared, look.folder / PLOTS)
    moved = drift.scores.pop(PREDICTION, None)
    found.scores, found.methods = drift.scores, drift.methods
    if features:
        found.bad_columns |= {name: why for name, why in drift.failed.items() if name != PREDICTION}
        judge_features(features, total, found)
    if predictions:
        judge_predictions(predictions, moved, drift.methods.get(PREDICTION, ""), found)


def _predictions(
    signature: Signature, check: PredictionDriftCheck, before: pd.Series[Any], after: pd.Series[Any]
) -> Compared:
    """Bring both sides to one type: an integer column with gaps is read as floats, '3' and '3.0' are one class."""
    classes = signature.task == "classification"
    if classes and signature.target_type == "integer":
        before, after = (side.astype("Int64") for side in (before, after))
    kind = "string" if classes else "float"
    return Compared(values_of(kind, before), values_of(kind, after), classes, check.threshold)
