"""Check the window: quality, drift of features and predictions, performance, service; one verdict, one report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.refs import DatasetRef, ReportRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.monitor.causes.find import find_causes
from mlops_provider.runtime.monitor.drift.quality import check_quality
from mlops_provider.runtime.monitor.drift.scores import check_drift
from mlops_provider.runtime.monitor.drift.segments import check_segments
from mlops_provider.runtime.monitor.findings import Findings
from mlops_provider.runtime.monitor.known_names import require_known
from mlops_provider.runtime.monitor.look import Look
from mlops_provider.runtime.monitor.performance.check import check_performance
from mlops_provider.runtime.monitor.report import write_report
from mlops_provider.runtime.monitor.service.check import check_service
from mlops_provider.runtime.sources import said_sources
from mlops_provider.verdicts import RuleResult

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.refs import Ref


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Judge the window against the baseline of the version that answered, and publish the report."""
    store = context.store()
    found = Findings()
    with store.scratch() as folder:
        look = Look(
            config=config,
            context=context,
            store=store,
            window=_given(inputs, "window", DatasetRef),
            folder=folder,
            due=_given(inputs, "due", DatasetRef),
            profile=_given(inputs, "profile", ReportRef),
        )
        if look.window or look.due:
            _check(look, found)
        else:
            why = look.about.why if look.profile else ""
            found.vacuous = f"there are no predictions to check{why and f': {why}'}"
        write_report(folder, context, found, find_causes(look, found), about=_about(look))
        published = store.publish(context.workflow, "reports", folder, {"lineage": {"identity": context.identity}})
    report = ReportRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"report": report}, metrics=found.metrics, verdict=found.verdict, summary=found.summary())


def _given(inputs: Inputs, name: str, kind: type[Ref]) -> Any:
    return one(inputs, name, kind) if inputs.get(name) else None


def _about(look: Look) -> str:
    """Say which rows of which version were looked at."""
    if not (look.window or look.due):
        return f"{look.context.workflow}/{look.config.environment}"
    about = look.about
    since, until = (moment[:16].replace("T", " ") for moment in (about.since, about.until))
    span = f", {since} to {until} UTC" if since and until else ""
    sampled = f" ({about.kept:,} of them kept as rows)" if about.sampled else ""
    if look.config.data != "predictions":
        return f"{said_sources(look.config.data.ingest())}: {about.rows:,} rows{span}{sampled}."
    name = f"{look.context.workflow}/{look.config.environment}"
    return f"{name}, version {look.served.version}: {about.rows:,} predictions{span}{sampled}."


def _check(look: Look, found: Findings) -> None:
    """Check what there are enough rows for: a small window may be that of a service whose older labels are due."""
    least = look.config.policy.minimum_rows
    found.metrics["rows"] = float(look.total)
    enough = look.total >= least
    if not enough and len(look.labelled) < least:
        found.vacuous = f"{look.total} predictions are fewer than policy.minimum_rows ({least})"
        return
    require_known(look.config, look.signature)
    if enough and look.about.answered >= least:
        check_quality(look, found)
        if look.about.baseline_gone:
            say_gone(look, found)
        else:
            check_drift(look, found)
            check_segments(look, found)
    if enough:
        check_service(look, found)
    check_performance(look, found)


def say_gone(look: Look, found: Findings) -> None:
    """Say that there is no baseline: drift is not judged, which is neither an alarm nor a pass."""
    why = f"the baseline is gone: {look.about.baseline_gone}"
    checks = {"data_drift": look.config.checks.data_drift, "prediction_drift": look.config.checks.prediction_drift}
    found.rules += [RuleResult(rule=name, result="not_applicable", why=why) for name, check in checks.items() if check]
