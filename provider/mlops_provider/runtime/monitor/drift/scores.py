"""Drift of the window's features and predictions from the baseline: the scores, of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.comparison import Comparison, Wanted, compare_columns
from mlops_provider.runtime.evidently_drift import keep_rows
from mlops_provider.runtime.monitor.drift.chances import Chances, chances_of
from mlops_provider.runtime.monitor.drift.importance_weights import importance_weights
from mlops_provider.runtime.monitor.drift.multivariate import check_multivariate, score_embeddings
from mlops_provider.runtime.monitor.drift.verdict import judge_features, judge_predictions
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION
from mlops_provider.runtime.predictions import FEATURE_PREFIX
from mlops_provider.store.models import PREDICTION_COLUMN
from mlops_provider.verdicts import RuleResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck
    from mlops_provider.runtime.columns.profile import ColumnProfile, Kind
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.store.models import Signature


def check_drift(look: Look, found: Findings) -> None:
    """Score every feature and the predictions, keep a sample for Evidently's page, and judge."""
    checks = look.config.checks
    features, predictions = checks.data_drift, checks.prediction_drift
    if features is None and predictions is None:
        return
    compared = _features(look, features) if features else Comparison()
    moved = Comparison()
    comparable = PREDICTION in look.baseline_profiles
    if predictions and comparable:
        wanted = Wanted(predictions.method, predictions.threshold)
        kinds: dict[str, Kind] = {PREDICTION: look.baseline_profiles[PREDICTION].kind}
        moved = compare_columns(look.baseline_profiles, look.profiles, kinds, default=wanted)
    found.scores, found.methods = compared.scores, compared.methods | moved.methods
    found.thresholds = compared.thresholds | moved.thresholds
    found.bad_columns, found.notes = compared.bad, compared.notes
    chances = Chances(look.store, look.context.workflow)
    for one in (compared, moved):
        found.chances |= chances_of(one, look.baseline_profiles, look.profiles, chances)
    _keep(look, compared, moved)
    if features:
        found.threshold = features.threshold
        _weigh(look, features, found)
        judge_features(features, compared.total, found)
        if features.multivariate:
            check_multivariate(look, features.multivariate, found)
    if predictions and not comparable:
        why = "the baseline has no predictions that can be compared"
        found.rules.append(RuleResult(rule="prediction_drift", result="not_applicable", why=why))
    elif predictions:
        judge_predictions(predictions, moved.scores.get(PREDICTION), moved.methods.get(PREDICTION, ""), found)


def _features(look: Look, check: DataDriftCheck) -> Comparison:
    compared = compare_features(look.signature, check, look.baseline_profiles, look.profiles)
    score_embeddings(look, check, compared)
    for name in check.columns.keys() - set(look.signature.names()):
        compared.notes[name] = "is named in data_drift.columns, but is no feature of the model"
    return compared


def compare_features(
    signature: Signature,
    check: DataDriftCheck,
    baseline: Mapping[str, ColumnProfile],
    window: Mapping[str, ColumnProfile],
    *,
    but: str = "",
) -> Comparison:
    """Score every feature `but` one of a window, or a part of it, as the check wants it."""
    names = [name for name in signature.names() if name != but]
    kinds = {name: baseline[name].kind if name in baseline else "number" for name in names}
    columns = {
        name: Wanted(one.method or check.method, one.threshold or check.threshold)
        for name, one in check.columns.items()
    }
    return compare_columns(
        baseline,
        window,
        kinds,
        default=Wanted(check.method, check.threshold),
        columns=columns,
        where="the prediction log",
    )


def _weigh(look: Look, check: DataDriftCheck, found: Findings) -> None:
    """Give every feature its share of the importance, where the check asks for it; else all count the same."""
    if check.weight_by != "importance":
        return
    found.weights, why_not = importance_weights(look)
    found.more["weights"] = {"of": "importance", "weights": found.weights, "why_not": why_not}
    if why_not:
        found.notes["weight_by: importance"] = f"all features count the same: {why_not}"


def _keep(look: Look, compared: Comparison, moved: Comparison) -> None:
    """Keep a sample of both sides beside the report, from which Evidently's page is made."""
    both = Comparison(
        scores=compared.scores | moved.scores,
        methods=compared.methods | moved.methods,
        thresholds=compared.thresholds | moved.thresholds,
        bad=compared.bad,
    )
    baseline = look.baseline.rename(columns={PREDICTION_COLUMN: PREDICTION})
    keep_rows(look.folder, baseline, _named(look.answered), both, look.baseline_profiles, look.profiles)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of the log the names of the features."""
    logged = map(str, rows.columns)
    names = {name: name.removeprefix(FEATURE_PREFIX) for name in logged if name.startswith(FEATURE_PREFIX)}
    return rows[[*names, "prediction"]].set_axis([*names.values(), PREDICTION], axis=1)
