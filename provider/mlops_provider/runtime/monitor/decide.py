"""Decide: apply the policy to the verdict and put the decision on record, once per monitor run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConflictError
from mlops_provider.refs import ReportRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now, one
from mlops_provider.runtime.monitor.policy import decide
from mlops_provider.store.documents import history, write_document

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.store.store import Store

KEPT_REASONS = 5


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Write the decision; a retry of the same monitor run finds the one that was made."""
    store = context.store()
    report: ReportRef = one(inputs, "report", ReportRef)
    content = json.loads((store.open(report).folder / "report.json").read_bytes())
    key = f"{context.workflow}/monitor/{config.environment}/decisions"
    while True:
        documents = history(store, key)
        made = [document.data for document in documents if document.data["id"] == context.identity]
        if made:
            return _outcome(made[0])
        entry = _decide(config, context, content, report, [document.data for document in documents])
        try:
            write_document(store, key, entry, after=documents[-1].revision if documents else 0)
        except ConflictError:
            continue  # another monitor run was first: its decision counts for this one
        return _outcome(entry)


def _decide(
    config: MonitorSpec, context: RunContext, content: dict[str, Any], report: ReportRef, earlier: list[dict[str, Any]]
) -> dict[str, Any]:
    verdict = content["verdict"]
    reasons = [rule["why"] for rule in verdict["rules"] if rule["result"] == "failed"][:KEPT_REASONS]
    if content["vacuous"]:
        reasons = [content["vacuous"]]
    elif not reasons:
        reasons = [f"warning: {rule['why']}" for rule in verdict["rules"] if rule["result"] == "warned"][:KEPT_REASONS]
    decision = decide(earlier, verdict["status"], reasons, config.policy, config.on_breach, datetime.now(UTC))
    return {
        "id": context.identity,
        "at": now(),
        "status": verdict["status"],
        "breach": decision.breach,
        "actions": list(decision.actions),
        "why": decision.why,
        "report": report.uri,
        "metrics": content["metrics"],
    }


def read_decisions(store: Store, workflow: str, environment: str) -> list[dict[str, Any]]:
    """Read the monitoring history of a service, oldest first."""
    return [document.data for document in history(store, f"{workflow}/monitor/{environment}/decisions")]


def _outcome(entry: dict[str, Any]) -> Outcome:
    actions = ", ".join(entry["actions"]) or "nothing is done"
    reason = {"why": entry["why"], "report": entry["report"], "monitor": entry["id"], "metrics": entry["metrics"]}
    summary = f"**{'Breach' if entry['breach'] else 'No breach'}**: {entry['why']}.\n\nActions: {actions}."
    return Outcome(summary=summary, details={**entry, "reason": reason})
