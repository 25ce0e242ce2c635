"""Check the window: quality, drift of features and predictions, performance, service; one verdict, one report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.refs import DatasetRef, ReportRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.monitor.drift import check_drift
from mlops_provider.runtime.monitor.findings import Findings
from mlops_provider.runtime.monitor.look import Look
from mlops_provider.runtime.monitor.performance import check_performance, require_known
from mlops_provider.runtime.monitor.quality import check_quality
from mlops_provider.runtime.monitor.report import write_report
from mlops_provider.runtime.monitor.service import check_service

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Judge the window against the baseline of the version that answered, and publish the report."""
    store = context.store()
    found = Findings()
    with store.scratch() as folder:
        if inputs.get("window"):
            window: DatasetRef = one(inputs, "window", DatasetRef)
            _check(Look(config=config, context=context, store=store, window=window, folder=folder), found)
        else:
            found.vacuous = "there are no predictions to check"
        write_report(folder, context, found)
        published = store.publish(context.workflow, "reports", folder, {"lineage": {"identity": context.identity}})
    report = ReportRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"report": report}, metrics=found.metrics, verdict=found.verdict, summary=found.summary())


def _check(look: Look, found: Findings) -> None:
    found.metrics["rows"] = float(len(look.rows))
    least = look.config.policy.minimum_rows
    if len(look.rows) < least:
        found.vacuous = f"{len(look.rows)} predictions are fewer than policy.minimum_rows ({least})"
        return
    require_known(look.config, look.signature)
    if len(look.answered) >= least:
        check_quality(look, found)
        check_drift(look, found)
    check_service(look, found)
    check_performance(look, found)
