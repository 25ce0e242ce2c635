"""Decide: apply the policy to the verdict and put the decision on record, once per monitor run."""

from __future__ import annotations

import json
from datetime import datetime
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
    window = next((ref.uri for ref in inputs.get("window", [])), "")
    key = f"{context.workflow}/monitor/{config.environment}/decisions"
    while True:
        documents = history(store, key)
        made = [document.data for document in documents if document.data["id"] == context.identity]
        if made:
            return _outcome(made[0])
        earlier = [document.data for document in documents]
        entry = {**_decide(config, content, earlier), "id": context.identity, "window": window, "report": report.uri}
        try:
            write_document(store, key, entry, after=documents[-1].revision if documents else 0)
        except ConflictError:
            continue  # another monitor run was first: its decision counts for this one
        return _outcome(entry)


def read_decisions(store: Store, workflow: str, environment: str) -> list[dict[str, Any]]:
    """Read the monitoring history of a service, oldest first."""
    return [document.data for document in history(store, f"{workflow}/monitor/{environment}/decisions")]


def _decide(config: MonitorSpec, content: dict[str, Any], earlier: list[dict[str, Any]]) -> dict[str, Any]:
    verdict = content["verdict"]
    at = now()
    decision = decide(
        earlier, verdict["status"], _reasons(content), config.policy, config.on_breach, datetime.fromisoformat(at)
    )
    return {
        "at": at,
        "status": verdict["status"],
        "breach": decision.breach,
        "actions": list(decision.actions),
        "why": decision.why,
        "rules": [rule for rule in verdict["rules"] if rule["result"] == "failed"],
        "metrics": content["metrics"],
    }


def _reasons(content: dict[str, Any]) -> list[str]:
    """Give the sentences that led to the verdict: of what failed, else of what warns or could not be judged."""
    if content["vacuous"]:
        return [content["vacuous"]]

    def said(result: str, before: str = "") -> list[str]:
        rules = [rule for rule in content["verdict"]["rules"] if rule["result"] == result]
        return list(dict.fromkeys(f"{before}{rule['why']}" for rule in rules))

    reasons = said("failed") or [*said("warned", "warning: "), *said("not_applicable", "not judged: ")]
    return reasons[:KEPT_REASONS]


def _outcome(entry: dict[str, Any]) -> Outcome:
    actions = ", ".join(entry["actions"]) or "nothing is done"
    reason = {
        "why": entry["why"],
        "rules": entry["rules"],
        "metrics": entry["metrics"],
        "window": entry["window"],
        "report": entry["report"],
        "monitor": entry["id"],
    }
    summary = f"**{'Breach' if entry['breach'] else 'No breach'}**: {entry['why']}.\n\nActions: {actions}."
    return Outcome(summary=summary, details={**entry, "reason": reason})
