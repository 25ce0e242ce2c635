"""Phase `evaluate`: the model evaluation checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import DatasetRef, ModelRef, ReportRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.champion import ask_champion, champion_ref, judged_against
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.drifted_window import judge_drifted_window
from mlops_provider.runtime.evaluation import Evaluation, EvidentlyPage, write_report
from mlops_provider.runtime.iterations.section import TITLE, section
from mlops_provider.runtime.judgement import Judgement, require_asked, worst_in_gates
from mlops_provider.runtime.measurement import Measurement
from mlops_provider.runtime.own_metrics import measure_own
from mlops_provider.runtime.slices import find_slices, worst_values
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model
from mlops_provider.verdicts import Verdict

if TYPE_CHECKING:
    from mlops_dag_factory.spec.evaluate import EvaluateSpec


def run(config: EvaluateSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Measure the model, and the champion on the same rows; judge the gates; publish a report."""
    store = context.store()
    data: DatasetRef = one(inputs, "data", DatasetRef)
    model = load_model(store, one(inputs, "model", ModelRef))
    frame = read_frame(store, data)
    answers = Answers.of(model, frame)
    ref = champion_ref(config, context)
    with EvidentlyPage(answers, wanted=config.evidently) as evidently, store.scratch() as folder:
        champion = ask_champion(config, context, ref, model.signature, frame)
        measured = Measurement.of(config, answers, champion.answers)
        require_asked(config, measured)
        asked = [name for name in worst_in_gates(config.gates) if name in measured.metrics]
        worst = worst_values(answers, frame, config.slices, asked)
        models = [answers, *([champion.answers] if champion.answers else [])]
        own = measure_own(config, context, frame, models)
        measured = measured.joined(own)
        judgement = Judgement(measured, champion.note, context.parameters, worst, own.metrics)
        drifted = judge_drifted_window(config, context, model, ref)
        verdict = Verdict.of([*judgement.rules(config.gates), *([drifted.rule] if drifted else [])])
        found = Evaluation(
            answers=answers,
            frame=frame,
            measured=measured,
            verdict=verdict,
            champion_note=champion.note,
            slices=find_slices(answers, frame, config.slices),
            worst=worst,
            lineage={"data": data.digest, "model": model.ref.digest},
            evidently=evidently.finish(folder),
        )
        told: dict[str, Any] = {"metrics": measured.metrics, "verdict": verdict, "details": found.details()}
        html, since = section(context, config, inputs, **told)
        if html:
            found = replace(found, sections=(f"<h2>{TITLE}</h2>{html}",), more={"since_last_good": since})
        if drifted:
            more = {**found.more, "drifted_window": drifted.numbers}
            found = replace(found, sections=(drifted.section(), *found.sections), more=more)
        summary = (
            f"{_new(answers)}{measured.to_markdown(champion.note)}\n{verdict.to_markdown()}{found.slices.to_markdown()}"
        )
        write_report(folder, context, found, summary)
        meta = {"lineage": {"data": data.digest, "model": model.ref.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    tracking.mirror(context, parameters={"gates": config.gates}, metrics=measured.metrics)
    report = ReportRef(uri=published.uri, digest=published.digest)
    details = {**found.details(), "judged_against": judged_against(config, context, ref)}
    return Outcome(
        outputs={"report": report}, metrics=measured.metrics, verdict=verdict, summary=summary, details=details
    )


def _new(answers: Answers) -> str:
    """Say which classes of the truth the model cannot know."""
    if not answers.new_classes:
        return ""
    rows = sum(answers.new_classes.values())
    some = ", ".join(f"{name} ({count:,})" for name, count in list(answers.new_classes.items())[:5])
    return f"{rows:,} of {len(answers):,} rows are of classes that the model does not know: {some}.\n\n"
