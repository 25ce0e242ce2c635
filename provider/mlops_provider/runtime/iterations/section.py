"""The section of the evaluation's report: what changed since the last good run."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.contract import now
from mlops_provider.runtime.iterations.explanation import Explanation, explain
from mlops_provider.runtime.iterations.history import Run, last_good, read_run
from mlops_provider.runtime.iterations.scores import steps
from mlops_provider.runtime.iterations.words import explanation_html
from mlops_provider.runtime.outside import code_of
from mlops_provider.runtime.records import Record, run_records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from mlops_provider.runtime.contract import Inputs, RunContext
    from mlops_provider.verdicts import Verdict

TITLE = "What changed since the last good run"


def section(
    context: RunContext,
    config: BaseModel,
    inputs: Inputs,
    *,
    metrics: Mapping[str, float],
    verdict: Verdict,
    details: Mapping[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Give the section, below its title, as HTML and as JSON; ('', {}) where no metric fell and no gate failed.

    The report is never lost for it: whatever keeps the history from being read is said in its place.
    """
    try:
        found = _explained(context, config, inputs, metrics, verdict, details or {})
    except Exception as err:  # noqa: BLE001 (the evaluation stands whatever is wrong with the runs before it)
        why = f"{type(err).__name__}: {' '.join(str(err).split())[:300]}"
        return f"<p class=warn>It cannot be said: {escape(why)}</p>", {"why_not": why}
    if isinstance(found, str):
        return (f"<p>{escape(found)}</p>", {"why_not": found}) if found else ("", {})
    return explanation_html(found), found.to_dict()


def _explained(
    context: RunContext,
    config: BaseModel,
    inputs: Inputs,
    metrics: Mapping[str, float],
    verdict: Verdict,
    details: Mapping[str, Any],
) -> Explanation | str:
    """Give the explanation, or why there is none: '' where nothing got worse."""
    store = context.store()
    record = _record(context, config, inputs, metrics, verdict, details)
    good = last_good(store, record)
    blocked = verdict.status == "blocked"
    if good is None:
        return f"No earlier run of {context.phase} was good, so there is nothing to compare with." if blocked else ""
    if not blocked and not any(step.fall for step in steps(good.record, record)):
        return ""
    earlier = read_run(store, context.workflow, good.run_id)
    later = Run.of([*run_records(store, context.workflow, context.run_id), record])
    return explain(store, earlier, later, context.phase)


def _record(
    context: RunContext,
    config: BaseModel,
    inputs: Inputs,
    metrics: Mapping[str, float],
    verdict: Verdict,
    details: Mapping[str, Any],
) -> Record:
    """Give the record of the evaluation that is going on, as far as it is known."""
    return {
        **context.to_dict(),
        "started": _started(context),
        "status": "blocked" if verdict.status == "blocked" else "succeeded",
        "config": config.model_dump(mode="json"),
        "inputs": {field: [ref.to_dict() for ref in refs] for field, refs in inputs.items()},
        "outputs": {},
        "code": code_of(config),
        "code_version": version("airflow-provider-mlops"),
        "metrics": dict(metrics),
        "verdict": verdict.to_dict(),
        "details": dict(details),
    }


def _started(context: RunContext) -> str:
    """Give when the evaluation could start, the same for every try: after the last of the run's other phases."""
    records = run_records(context.store(), context.workflow, context.run_id)
    ended = [str(record["ended"]) for record in records if not record["phase"].startswith(context.phase)]
    return max(ended, default=now())
