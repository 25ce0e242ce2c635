"""Phase `evaluate`: the model evaluation checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError, MlopsError
from mlops_provider.expressions import Expression
from mlops_provider.refs import DatasetRef, ModelRef, ReportRef
from mlops_provider.runtime import metrics as measured
from mlops_provider.runtime import tracking
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.evaluation_report import write_report
from mlops_provider.runtime.table import read_frame, require_columns
from mlops_provider.store.models import LoadedModel, load_model
from mlops_provider.verdicts import RuleResult, Verdict, judge_gate

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.model import EvaluateSpec


def run(config: EvaluateSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Measure the model, and the champion on the same rows; judge the gates; publish a report."""
    store = context.store()
    data: DatasetRef = one(inputs, "data", DatasetRef)
    model = load_model(store, one(inputs, "model", ModelRef))
    frame = read_frame(store, data)
    found = measure(model, frame, config.metrics)
    champion, note = _champion(config, context, model, frame)
    rules = [_judge(gate, found, champion, note) for gate in config.gates]
    verdict = Verdict.of(rules)
    target = model.signature.target
    truth, predicted = frame[target].to_numpy(), model.predict(frame)
    intervals = measured.interval(
        model.signature.task, truth, predicted, model.signature.classes, _in_gates(config.gates, found)
    )
    details: dict[str, Any] = {"champion": champion, "champion_note": note, "intervals": intervals}
    summary = _summary(found, champion, note, intervals, verdict, len(frame))
    with store.scratch() as folder:
        content = {"metrics": found, "verdict": verdict.to_dict(), **details}
        write_report(folder, context, model.signature, truth, predicted, summary, content)
        meta = {"lineage": {"data": data.digest, "model": model.ref.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    tracking.mirror(context, parameters={"gates": config.gates}, metrics=found)
    report = ReportRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"report": report}, metrics=found, verdict=verdict, summary=summary, details=details)


def measure(model: LoadedModel, frame: pd.DataFrame, wanted: list[str]) -> dict[str, float]:
    """Give a model's metrics on labelled rows; DataError when columns or labels are missing."""
    signature = model.signature
    require_columns(frame.columns, [*signature.names(), signature.target], "the evaluation data")
    if frame.empty:
        raise DataError("the evaluation data has no rows")
    missing = int(frame[signature.target].isna().sum())
    if missing:
        raise DataError(f"the target '{signature.target}' is missing in {missing} of {len(frame)} rows")
    truth = frame[signature.target].to_numpy()
    predicted, probabilities = model.predict(frame), model.probabilities(frame)
    return measured.compute(signature.task, truth, predicted, probabilities, signature.classes, wanted)


def _champion(
    config: EvaluateSpec, context: RunContext, model: LoadedModel, frame: pd.DataFrame
) -> tuple[dict[str, float] | None, str]:
    """Give the champion's metrics on the same rows, or why there are none."""
    if config.compare_to == "none" or not context.tracking_uri:
        return None, "no comparison was asked for"
    ref = tracking.champion(context.tracking_uri, context.workflow)
    if ref is None:
        return None, "there is no champion to compare with yet"
    try:
        champion = load_model(context.store(), ref)
        if champion.signature.target != model.signature.target:
            return None, f"the champion (version {ref.version}) predicts '{champion.signature.target}'"
        return measure(champion, frame, config.metrics), f"the champion is version {ref.version}"
    except MlopsError as err:
        return None, f"the champion (version {ref.version}) cannot be compared: {err.message}"


def _judge(gate: str, found: dict[str, float], champion: dict[str, float] | None, note: str) -> RuleResult:
    result = judge_gate(gate, found, champion=champion)
    if result.result == "not_applicable":
        return RuleResult(rule=gate, result="not_applicable", why=note)
    return result


def _in_gates(gates: list[str], found: dict[str, float]) -> list[str]:
    named = {name for gate in gates for name in Expression.parse(gate).names()}
    return [name for name in found if name in named]


def _summary(
    found: dict[str, float],
    champion: dict[str, float] | None,
    note: str,
    intervals: dict[str, tuple[float, float]],
    verdict: Verdict,
    rows: int,
) -> str:
    lines = ["| metric | this model | 95 % interval | champion |", "|---|---|---|---|"]
    for name, value in found.items():
        low_high = intervals.get(name)
        between = f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else ""
        other = f"{champion[name]:.4f}" if champion and name in champion else ""
        lines.append(f"| {name} | {value:.4f} | {between} | {other} |")
    return f"On {rows:,} rows the model has not seen; {note}.\n\n" + "\n".join(lines) + "\n\n" + verdict.to_markdown()
