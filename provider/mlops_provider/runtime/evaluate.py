"""Phase `evaluate`: the model evaluation checkpoint."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ExpressionError, MlopsError
from mlops_provider.expressions import Expression
from mlops_provider.refs import DatasetRef, ModelRef, ReportRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.evaluation_report import write_report
from mlops_provider.runtime.intervals import intervals
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import LoadedModel, load_model
from mlops_provider.verdicts import RuleResult, Verdict, judge_gate

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.evaluate import EvaluateSpec


def run(config: EvaluateSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Measure the model, and the champion on the same rows; judge the gates; publish a report."""
    store = context.store()
    data: DatasetRef = one(inputs, "data", DatasetRef)
    model = load_model(store, one(inputs, "model", ModelRef))
    frame = read_frame(store, data)
    answers = Answers.of(model, frame)
    undefined: dict[str, str] = {}
    found = answers.measure([metric.name for metric in config.metrics], undefined)
    champion, note = _champion(config, context, model, frame)
    judge = partial(
        _judge, found=found, champion=champion, note=note, undefined=undefined, parameters=context.parameters
    )
    rules = [judge(gate) for gate in config.gates]
    verdict = Verdict.of(rules)
    sure = intervals(answers, _in_gates(config.gates, found))
    details: dict[str, Any] = {
        "champion": champion,
        "champion_note": note,
        "intervals": sure,
        "undefined": undefined,
    }
    summary = _summary(found, champion, note, sure, verdict, len(frame))
    with store.scratch() as folder:
        content = {"metrics": found, "verdict": verdict.to_dict(), **details}
        write_report(folder, context, model.signature, answers.truth, answers.predicted, summary, content)
        meta = {"lineage": {"data": data.digest, "model": model.ref.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    tracking.mirror(context, parameters={"gates": config.gates}, metrics=found)
    report = ReportRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"report": report}, metrics=found, verdict=verdict, summary=summary, details=details)


def _champion(
    config: EvaluateSpec, context: RunContext, model: LoadedModel, frame: pd.DataFrame
) -> tuple[dict[str, float] | None, str]:
    """Give the champion's metrics on the same rows, or why there are none; what a retry may mend is raised."""
    if config.compare_to == "none" or not context.tracking_uri:
        return None, "no comparison was asked for"
    ref = tracking.champion(context.tracking_uri, config.name or context.workflow)
    if ref is None:
        return None, "there is no champion to compare with yet"
    try:
        champion = load_model(context.store(), ref)
        if champion.signature.target != model.signature.target:
            return None, f"the champion (version {ref.version}) predicts '{champion.signature.target}'"
        metrics = Answers.of(champion, frame).measure([metric.name for metric in config.metrics], {})
    except MlopsError as err:
        if err.retryable:
            raise
        return None, f"the champion (version {ref.version}) cannot be compared: {err.message}"
    return metrics, f"the champion is version {ref.version}"


def _judge(
    gate: str,
    *,
    found: dict[str, float],
    champion: dict[str, float] | None,
    note: str,
    undefined: dict[str, str],
    parameters: dict[str, Any],
) -> RuleResult:
    for name in Expression.parse(gate).names():
        if name in undefined:
            raise ExpressionError(gate, f"'{name}' is missing: {undefined[name]}")
    result = judge_gate(gate, found, champion=champion, parameters=parameters)
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
    sure: dict[str, tuple[float, float]],
    verdict: Verdict,
    rows: int,
) -> str:
    lines = ["| metric | this model | 95 % interval | champion |", "|---|---|---|---|"]
    for name, value in found.items():
        low_high = sure.get(name)
        between = f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else ""
        other = f"{champion[name]:.4f}" if champion and name in champion else ""
        lines.append(f"| {name} | {value:.4f} | {between} | {other} |")
    return f"On {rows:,} rows the model has not seen; {note}.\n\n" + "\n".join(lines) + "\n\n" + verdict.to_markdown()
