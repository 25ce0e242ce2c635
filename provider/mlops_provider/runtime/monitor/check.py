"""Check the window: quality, drift of features and predictions, performance, service; one verdict, one report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import DatasetRef, ReportRef
from mlops_provider.runtime import metrics as measured
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.monitor.columns import compare_columns, missing_shares
from mlops_provider.runtime.monitor.drift import PREDICTION, score_drift
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import BASELINE_FILE, PREDICTION_COLUMN, Signature
from mlops_provider.store.services import read_service
from mlops_provider.store.store import json_bytes
from mlops_provider.verdicts import Result, RuleResult, Verdict, judge_gate

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mlops_dag_factory.spec.monitor import DataDriftCheck, MonitorSpec
    from mlops_provider.store.store import Content

_SHOWN = 5


@dataclass
class Findings:
    """What the checks have found so far."""

    metrics: dict[str, float] = field(default_factory=dict)
    rules: list[RuleResult] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    bad_columns: dict[str, str] = field(default_factory=dict)


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Judge the window against the baseline of the version that is live, and publish the report."""
    store = context.store()
    found = Findings()
    primary = read_service(store, context.workflow, config.environment).primary
    if not inputs.get("window") or primary is None:
        return _publish(context, found, "there are no predictions to check", None)
    window = read_frame(store, one(inputs, "window", DatasetRef))
    found.metrics["rows"] = float(len(window))
    if len(window) < config.policy.minimum_rows:
        why = f"{len(window)} predictions are fewer than policy.minimum_rows ({config.policy.minimum_rows})"
        return _publish(context, found, why, None)
    content = store.open(primary.model)
    signature = Signature.from_dict(content.meta["signature"])
    with store.scratch() as folder:
        _check_quality(config, signature, window, found)
        _check_drift(config, signature, content, window, found, folder / "report.html")
        _check_performance(config, signature, window, found)
        _check_service(config, window, found)
        return _publish(context, found, "", folder)


def _check_quality(config: MonitorSpec, signature: Signature, window: pd.DataFrame, found: Findings) -> None:
    shares = missing_shares(signature, window)
    found.metrics["missing_share"] = max(shares.values(), default=0.0)
    check = config.checks.data_quality
    if check is None or check.missing is None:
        return
    worst = sorted(((share, name) for name, share in shares.items() if share > check.missing), reverse=True)
    named = ", ".join(f"{name} {share:.0%}" for share, name in worst[:_SHOWN])
    why = (
        f"missing more than {check.missing:.0%}: {named}"
        if worst
        else f"no feature misses more than {check.missing:.0%}"
    )
    values = {name: share for share, name in worst[:_SHOWN]}
    found.rules.append(RuleResult(rule="data_quality", result="failed" if worst else "passed", why=why, values=values))


def _check_drift(
    config: MonitorSpec, signature: Signature, content: Content, window: pd.DataFrame, found: Findings, page: Path
) -> None:
    import pandas as pd

    features, predictions = config.checks.data_drift, config.checks.prediction_drift
    if features is None and predictions is None:
        return
    baseline = pd.read_parquet(content.folder / BASELINE_FILE)
    columns = compare_columns(signature, baseline, window)
    found.bad_columns = columns.bad
    classes = signature.task == "classification"
    sides = [baseline[PREDICTION_COLUMN], window["prediction"]]
    before, after = (side.astype("string").astype(object) if classes else side.astype(float) for side in sides)
    numbers = columns.numbers if features else []
    categories = columns.categories if features else []
    thresholds = dict.fromkeys([*numbers, *categories], features.threshold if features else 0.0)
    if predictions:
        thresholds[PREDICTION] = predictions.threshold
        numbers, categories = (numbers, [*categories, PREDICTION]) if classes else ([*numbers, PREDICTION], categories)
    drift = score_drift(
        columns.baseline.assign(**{PREDICTION: before}),
        columns.window.assign(**{PREDICTION: after}),
        numbers=numbers,
        categories=categories,
        thresholds=thresholds,
        method=features.method if features else None,
        page=page,
    )
    found.scores = drift.scores
    if predictions and PREDICTION in drift.scores:
        score = drift.scores[PREDICTION]
        found.metrics["prediction_drift"] = score
        moved = score >= predictions.threshold
        why = f"predictions moved by {score:.3f} ({drift.methods[PREDICTION]}), threshold {predictions.threshold:g}"
        result = _result(moved, predictions.severity)
        found.rules.append(RuleResult(rule="prediction_drift", result=result, why=why, values={PREDICTION: score}))
    if features:
        _judge_share(features, len(signature.features), found)


def _result(broken: bool, severity: str) -> Result:  # noqa: FBT001 (the one thing it is about)
    if not broken:
        return "passed"
    return "failed" if severity == "fail" else "warned"


def _judge_share(check: DataDriftCheck, total: int, found: Findings) -> None:
    """Judge the share of drifted features; a feature that cannot be compared counts as drifted."""
    drifted = sorted(
        ((score, name) for name, score in found.scores.items() if name != PREDICTION and score >= check.threshold),
        reverse=True,
    )
    share = (len(drifted) + len(found.bad_columns)) / total
    found.metrics["drift_share"] = share
    parts = [f"{name} {score:.2f}" for score, name in drifted[:_SHOWN]]
    parts += [f"{name} {why}" for name, why in list(found.bad_columns.items())[:_SHOWN]]
    worst = f"; most: {', '.join(parts)}" if parts else ""
    count = len(drifted) + len(found.bad_columns)
    why = f"{count} of {total} features drifted ({share:.0%}, limit {check.share:.0%}){worst}"
    values = {name: score for score, name in drifted[:_SHOWN]}
    result = _result(share >= check.share, check.severity)
    found.rules.append(RuleResult(rule="data_drift", result=result, why=why, values=values))


def _check_performance(config: MonitorSpec, signature: Signature, window: pd.DataFrame, found: Findings) -> None:
    labelled = window.dropna(subset=["truth", "prediction"])
    found.metrics["labelled"] = float(len(labelled))
    enough = len(labelled) >= config.policy.minimum_rows
    if enough:
        kind = object if signature.target_type in {"string", "boolean"} else None
        truth, predicted = (labelled[name].to_numpy(dtype=kind) for name in ("truth", "prediction"))
        if signature.target_type == "integer":
            truth, predicted = truth.astype("int64"), predicted.astype("int64")
        found.metrics |= measured.compute(signature.task, truth, predicted, None, signature.classes)
    for gate in config.checks.performance:
        if enough:
            found.rules.append(judge_gate(gate, found.metrics, champion=None))
        else:
            why = f"{len(labelled)} labels have arrived, {config.policy.minimum_rows} are needed"
            found.rules.append(RuleResult(rule=gate, result="not_applicable", why=why))


def _check_service(config: MonitorSpec, window: pd.DataFrame, found: Findings) -> None:
    found.metrics |= {
        "latency_p95_ms": float(window["latency_ms"].quantile(0.95)),
        "error_rate": float((window["status"] >= 400).mean()),  # noqa: PLR2004 (HTTP's errors)
        "requests": float(window["request_id"].nunique()),
    }
    found.rules += [judge_gate(gate, found.metrics, champion=None) for gate in config.checks.service]


def _publish(context: RunContext, found: Findings, vacuous: str, folder: Path | None) -> Outcome:
    store = context.store()
    verdict = Verdict(status="vacuous") if vacuous else Verdict.of(found.rules)
    lines = "".join(f"| {name} | {value:.4g} |\n" for name, value in found.metrics.items())
    words = f"{vacuous[:1].upper()}{vacuous[1:]}.\n\n" if vacuous else ""
    summary = f"{words}| metric | value |\n|---|---|\n{lines}\n{verdict.to_markdown()}"
    content: dict[str, Any] = {
        "metrics": found.metrics,
        "verdict": verdict.to_dict(),
        "vacuous": vacuous,
        "scores": found.scores,
        "bad_columns": found.bad_columns,
        "identity": context.identity,
    }
    if folder is None:
        with store.scratch() as fresh:
            return _finish(context, fresh, content, found, verdict, summary)
    return _finish(context, folder, content, found, verdict, summary)


def _finish(
    context: RunContext, folder: Path, content: dict[str, Any], found: Findings, verdict: Verdict, summary: str
) -> Outcome:
    (folder / "report.json").write_bytes(json_bytes(content))
    (folder / "report.md").write_text(f"# {context.workflow}: monitor\n\n{summary}")
    published = context.store().publish(
        context.workflow, "reports", folder, {"lineage": {"identity": context.identity}}
    )
    report = ReportRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"report": report}, metrics=found.metrics, verdict=verdict, summary=summary)
