"""Drift of the window's features and predictions from the baseline: the judgement of the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, PredictionDriftCheck
    from mlops_provider.runtime.monitor.findings import Findings

_SHOWN = 5


def judge_predictions(check: PredictionDriftCheck, score: float | None, method: str, found: Findings) -> None:
    """Judge how far the predictions moved."""
    if score is None:
        why, result = "predictions cannot be compared: they have no usable values", _broken(check.severity)
        found.rules.append(RuleResult(rule="prediction_drift", result=result, why=why))
        return
    found.metrics["prediction_drift"] = score
    result = _broken(check.severity) if score >= check.threshold else "passed"
    why = f"predictions moved by {score:.3f} ({method}), threshold {check.threshold:g}"
    found.rules.append(RuleResult(rule="prediction_drift", result=result, why=why, values={"prediction_drift": score}))


def judge_features(check: DataDriftCheck, total: int, found: Findings) -> None:
    """Judge the share of drifted features; a feature that cannot be compared counts as drifted."""
    if total == 0:
        why = "no feature can be compared"
        found.rules.append(RuleResult(rule="data_drift", result="not_applicable", why=why))
        return
    moved = ((score, name) for name, score in found.scores.items() if score >= found.thresholds[name])
    drifted = sorted(moved, reverse=True)
    count = len(drifted) + len(found.bad_columns)
    share = count / total
    if found.weights:
        share = sum(found.weights.get(name, 0.0) for name in [*found.bad_columns, *(name for _, name in drifted)])
    found.metrics["drift_share"] = share
    parts = [f"{name} {why}" for name, why in list(found.bad_columns.items())[:_SHOWN]]
    parts += [f"{name} {score:.2f}" for score, name in drifted[:_SHOWN]]
    worst = f"; most: {', '.join(parts)}" if parts else ""
    of = " of the importance" if found.weights else ""
    why = f"{count} of {total} features drifted ({share:.0%}{of}, limit {check.share:.0%}){worst}"
    values = {name: score for score, name in drifted[:_SHOWN]}
    result = _broken(check.severity) if share >= check.share else "passed"
    found.rules.append(RuleResult(rule="data_drift", result=result, why=why, values=values))


def _broken(severity: str) -> Result:
    return "failed" if severity == "fail" else "warned"
