"""Phase `explain`: what a model looks at, whom it treats how, where it errs; with gates, a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.refs import DatasetRef, ModelRef, ReportRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.explanation.dependence import partial_dependences
from mlops_provider.runtime.explanation.errors import find_errors
from mlops_provider.runtime.explanation.fairness import measure_fairness
from mlops_provider.runtime.explanation.findings import Findings
from mlops_provider.runtime.explanation.gate_names import gate_names
from mlops_provider.runtime.explanation.importance import permutation_importances
from mlops_provider.runtime.explanation.page import summary, write_report
from mlops_provider.runtime.explanation.sample import sample_rows
from mlops_provider.runtime.explanation.shap_values import explain_sample
from mlops_provider.runtime.sql import require_columns
from mlops_provider.store.models import load_model
from mlops_provider.verdicts import Verdict, judge_gate

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.explain import ExplainSpec
    from mlops_provider.store.models import LoadedModel
    from mlops_provider.verdicts import RuleResult


def run(config: ExplainSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Explain the model on rows that it has not seen; judge the gates; publish a report."""
    from threadpoolctl import threadpool_limits

    store = context.store()
    data: DatasetRef = one(inputs, "data", DatasetRef)
    model = load_model(store, one(inputs, "model", ModelRef))
    frame = sample_rows(store, data, model.signature, config.rows, config.seed)
    with threadpool_limits(1, user_api="openmp"):  # many short calls: threads that wait for one another cost the most
        findings = _find(config, model, frame, data.rows)
    metrics, undefined = findings.metrics()
    rules = [_judge(gate, metrics, undefined, context.parameters, findings) for gate in config.gates]
    verdict = Verdict.of(rules)
    words = summary(findings, verdict)
    with store.scratch() as folder:
        write_report(folder, context, findings, words, verdict, metrics)
        meta = {"lineage": {"data": data.digest, "model": model.ref.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    tracking.mirror(context, parameters={"gates": config.gates}, metrics=metrics)
    report = ReportRef(uri=published.uri, digest=published.digest)
    details: dict[str, Any] = {"rows": len(frame), "of": data.rows, "undefined": undefined}
    return Outcome(outputs={"report": report}, metrics=metrics, verdict=verdict, summary=words, details=details)


def _find(config: ExplainSpec, model: LoadedModel, frame: pd.DataFrame, total: int) -> Findings:
    require_columns(frame.columns, config.sensitive, "the data to explain")
    names = gate_names([*model.signature.names(), *config.sensitive])
    answers = Answers.of(model, frame)
    fairness = [
        measure_fairness(answers, frame[column], favorable=config.favorable, seed=config.seed)
        for column in config.sensitive
    ]
    shap = explain_sample(model, frame, seed=config.seed) if "shap" in config.methods else None
    importances = None
    if "permutation" in config.methods:
        options: dict[str, Any] = {"scoring": config.scoring, "repeats": config.repeats, "seed": config.seed}
        importances = permutation_importances(model, frame, **options)
    found = Findings(
        signature=model.signature,
        rows=len(frame),
        total=total,
        gate_names=names,
        favorable=config.favorable,
        importances=importances,
        shap=shap,
        fairness=tuple(fairness),
        errors=find_errors(model, answers, frame, shap=shap, seed=config.seed),
    )
    return replace(found, dependences=tuple(partial_dependences(model, frame, found.top())))


def _judge(
    gate: str, metrics: dict[str, float], undefined: dict[str, str], parameters: dict[str, Any], findings: Findings
) -> RuleResult:
    """Judge one gate; its reason names the groups that make each value."""
    names = Expression.parse(gate).names()
    for name in names:
        if name in undefined:
            raise ExpressionError(gate, f"'{name}' is missing: {undefined[name]}")
    result = judge_gate(gate, metrics, champion=None, parameters=parameters)
    gaps = {name.removesuffix(".low").removesuffix(".high"): None for name in names}
    said = [gap.said() for name in gaps if (gap := findings.gap(name)) is not None]
    return replace(result, why="; ".join([result.why, *said])) if said else result
