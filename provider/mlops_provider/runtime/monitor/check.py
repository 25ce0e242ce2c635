"""Check the window: quality, drift of features and predictions, performance, service; one verdict, one report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.refs import DatasetRef, ReportRef
from mlops_provider.runtime.comparison import compare_columns, missing_shares, values_of
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.drift import Compared, score_drift
from mlops_provider.runtime.monitor.performance import FAILED_STATUS, judge, performance, require_known, service
from mlops_provider.runtime.monitor.report import PLOTS, Findings, write_report
from mlops_provider.runtime.predictions import signature_of
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import BASELINE_FILE, PREDICTION_COLUMN, Signature
from mlops_provider.store.services import service_history
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mlops_dag_factory.spec.monitor import DataDriftCheck, MonitorSpec, PredictionDriftCheck
    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

PREDICTION = "prediction (what the model answers)"
_SHOWN = 5


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Judge the window against the baseline of the version that answered, and publish the report."""
    store = context.store()
    found = Findings()
    with store.scratch() as folder:
        if inputs.get("window"):
            _check(config, store, context.workflow, one(inputs, "window", DatasetRef), found, folder / PLOTS)
        else:
            found.vacuous = "there are no predictions to check"
        write_report(folder, context, found)
        published = store.publish(context.workflow, "reports", folder, {"lineage": {"identity": context.identity}})
    report = ReportRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"report": report}, metrics=found.metrics, verdict=found.verdict, summary=found.summary())


def _check(config: MonitorSpec, store: Store, workflow: str, ref: DatasetRef, found: Findings, page: Path) -> None:
    window = read_frame(store, ref)
    found.metrics["rows"] = float(len(window))
    least = config.policy.minimum_rows
    if len(window) < least:
        found.vacuous = f"{len(window)} predictions are fewer than policy.minimum_rows ({least})"
        return
    served = _version(store, workflow, config.environment, str(window["version"].iloc[-1]))
    signature = signature_of(store, served)
    require_known([*config.checks.performance, *config.checks.service], signature)
    answered = window[window["status"] < FAILED_STATUS]
    if len(answered) >= least:
        _check_quality(config, signature, answered, found)
        _check_drift(config, signature, store.open(served.model).folder / BASELINE_FILE, answered, found, page)
    _check_performance(config, signature, answered, found)
    found.metrics |= service(window)
    found.rules += [judge(gate, found.metrics) for gate in config.checks.service]


def _version(store: Store, workflow: str, environment: str, version: str) -> ServedVersion:
    """Give the version that answered; it may have been replaced since the window was read."""
    for state in reversed(service_history(store, workflow, environment)):
        for served in state.versions:
            if served.version == version:
                return served
    raise DataError(f"{workflow}/{environment} has never served version {version}, but it is in the prediction log")


def _check_quality(config: MonitorSpec, signature: Signature, window: pd.DataFrame, found: Findings) -> None:
    shares = missing_shares(signature, window)
    found.metrics["missing_share"] = max(shares.values(), default=0.0)
    check = config.checks.data_quality
    if check is None or check.missing is None:
        return
    worst = sorted(((share, name) for name, share in shares.items() if share > check.missing), reverse=True)
    more = f" and {len(worst) - _SHOWN} more" if len(worst) > _SHOWN else ""
    named = ", ".join(f"{name} {share:.0%}" for share, name in worst[:_SHOWN])
    if worst:
        why = f"missing in more than {check.missing:.0%} of the rows: {named}{more}"
    else:
        why = f"no feature is missing in more than {check.missing:.0%} of the rows"
    values = {name: share for share, name in worst[:_SHOWN]}
    found.rules.append(RuleResult(rule="data_quality", result="failed" if worst else "passed", why=why, values=values))


def _check_drift(
    config: MonitorSpec, signature: Signature, baseline_file: Path, window: pd.DataFrame, found: Findings, page: Path
) -> None:
    import pandas as pd

    features, predictions = config.checks.data_drift, config.checks.prediction_drift
    if features is None and predictions is None:
        return
    baseline = pd.read_parquet(baseline_file)
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
    drift = score_drift(compared, page)
    moved = drift.scores.pop(PREDICTION, None)
    found.scores, found.methods = drift.scores, drift.methods
    if features:
        found.bad_columns |= {name: why for name, why in drift.failed.items() if name != PREDICTION}
        _judge_features(features, total, found)
    if predictions:
        _judge_predictions(predictions, moved, drift.methods.get(PREDICTION, ""), found)


def _predictions(
    signature: Signature, check: PredictionDriftCheck, before: pd.Series[Any], after: pd.Series[Any]
) -> Compared:
    """Bring both sides to one type: an integer column with gaps is read as floats, '3' and '3.0' are one class."""
    classes = signature.task == "classification"
    if classes and signature.target_type == "integer":
        before, after = (side.astype("Int64") for side in (before, after))
    kind = "string" if classes else "float"
    return Compared(values_of(kind, before), values_of(kind, after), classes, check.threshold)


def _judge_predictions(check: PredictionDriftCheck, score: float | None, method: str, found: Findings) -> None:
    if score is None:
        why, result = "predictions cannot be compared: they have no usable values", _broken(check.severity)
        found.rules.append(RuleResult(rule="prediction_drift", result=result, why=why))
        return
    found.metrics["prediction_drift"] = score
    result = _broken(check.severity) if score >= check.threshold else "passed"
    why = f"predictions moved by {score:.3f} ({method}), threshold {check.threshold:g}"
    found.rules.append(RuleResult(rule="prediction_drift", result=result, why=why, values={"prediction_drift": score}))


def _judge_features(check: DataDriftCheck, total: int, found: Findings) -> None:
    """Judge the share of drifted features; a feature that cannot be compared counts as drifted."""
    if total == 0:
        why = "no feature can be compared"
        found.rules.append(RuleResult(rule="data_drift", result="not_applicable", why=why))
        return
    drifted = sorted(((score, name) for name, score in found.scores.items() if score >= check.threshold), reverse=True)
    count = len(drifted) + len(found.bad_columns)
    share = count / total
    found.metrics["drift_share"] = share
    parts = [f"{name} {why}" for name, why in list(found.bad_columns.items())[:_SHOWN]]
    parts += [f"{name} {score:.2f}" for score, name in drifted[:_SHOWN]]
    worst = f"; most: {', '.join(parts)}" if parts else ""
    why = f"{count} of {total} features drifted ({share:.0%}, limit {check.share:.0%}){worst}"
    values = {name: score for score, name in drifted[:_SHOWN]}
    result = _broken(check.severity) if share >= check.share else "passed"
    found.rules.append(RuleResult(rule="data_drift", result=result, why=why, values=values))


def _broken(severity: str) -> Result:
    return "failed" if severity == "fail" else "warned"


def _check_performance(config: MonitorSpec, signature: Signature, window: pd.DataFrame, found: Findings) -> None:
    labelled = window.dropna(subset=["truth", "prediction"])
    found.metrics["labelled"] = float(len(labelled))
    enough = len(labelled) >= config.policy.minimum_rows
    if enough:
        found.metrics |= performance(signature, labelled, config.checks.performance)
    for gate in config.checks.performance:
        if enough:
            found.rules.append(judge(gate, found.metrics))
        else:
            why = f"{len(labelled)} labels have arrived, {config.policy.minimum_rows} are needed"
            found.rules.append(RuleResult(rule=gate, result="not_applicable", why=why))
