"""Decide: apply the policy to the verdict and put the decision on record, once per monitor run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConflictError
from mlops_provider.refs import ReportRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now, one
from mlops_provider.runtime.monitor.deciding.decisions import (
    Entry,
    decisions_key,
    find_made,
    newest_first,
    read_decisions,
)
from mlops_provider.runtime.monitor.deciding.obstacles import Around
from mlops_provider.runtime.monitor.deciding.policy import Check, decide
from mlops_provider.runtime.monitor.deciding.retraining import pending
from mlops_provider.runtime.monitor.deciding.silences import standing
from mlops_provider.runtime.monitor.deciding.state import State
from mlops_provider.store.documents import write_document

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.store.store import Store

__all__ = ["read_decisions", "run"]

KEPT_REASONS = 5


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Write the decision; a retry of the same monitor run finds the one that was made."""
    store = context.store()
    report: ReportRef = one(inputs, "report", ReportRef)
    content = json.loads((store.open(report).folder / "report.json").read_bytes())
    about = {
        "window": next((ref.uri for ref in inputs.get("window", [])), ""),
        "due": next((ref.uri for ref in inputs.get("due", [])), ""),
        "report": report.uri,
        "version": _version(store, inputs),
    }
    at = context.clock()
    while True:
        found = newest_first(store, context.workflow, config.environment)
        revision, latest, made = find_made(found, context.identity, at)
        if made:
            return _outcome(made)
        entry = {**_decide(config, content, latest, context, about["version"]), **about}
        try:
            write_document(store, decisions_key(context.workflow, config.environment), entry, after=revision)
        except ConflictError:
            continue  # another monitor run was first: its decision counts for this one
        return _outcome(entry)


def _version(store: Store, inputs: Inputs) -> str:
    """Give the version that answered in the window, or of which the labels were due."""
    refs = inputs.get("window") or inputs.get("due") or []
    return str(store.open(refs[0]).meta["lineage"].get("version", "")) if refs else ""


def _decide(
    config: MonitorSpec, content: dict[str, Any], latest: Entry, context: RunContext, version: str
) -> dict[str, Any]:
    verdict, at = content["verdict"], context.clock()
    check = Check(
        id=context.identity,
        status=verdict["status"],
        rules=verdict["rules"],
        reasons=_reasons(content),
        version=version,
        past=context.reason.get("kind") == "backfill",
    )
    before = State.from_dict(latest.get("state", {}))
    around = _around(context, config.environment, before)
    decision = decide(before, check, config.policy, config.actions, at, around)
    return {
        "id": context.identity,
        "at": at.isoformat(timespec="milliseconds"),
        "written": now(),
        "status": check.status,
        "breach": decision.breach,
        "severity": decision.severity,
        "actions": list(decision.actions),
        "why": decision.why,
        "decided_by": decision.decided_by,
        "held": list(decision.held),
        "rules": [rule for rule in verdict["rules"] if rule["result"] == "failed"],
        "checked": [rule["rule"] for rule in verdict["rules"]],
        "limits": [
            {name: rule[name] for name in ("rule", "result", "value", "threshold")}
            for rule in verdict["rules"]
            if rule["value"] is not None and rule["threshold"] is not None
        ],
        "metrics": content["metrics"],
        "causes": content.get("causes", {}).get("says", []),
        "policy": {**config.policy.model_dump(mode="json"), "of": config.policy.among},
        "on_breach": list(config.actions),
        "silences": [one.to_dict() for one in around.silences],
        "state": decision.state.to_dict(),
    }


def _around(context: RunContext, environment: str, before: State) -> Around:
    store, asked = context.store(), before.last("retrain")
    waits = ""
    if asked is not None:
        waits = pending(store, context.workflow, environment, asked.id, asked.at.isoformat(timespec="milliseconds"))
    return Around(silences=standing(store, context.workflow, environment, context.clock()), pending=waits)


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
        "causes": entry.get("causes", []),
        "metrics": entry["metrics"],
        "window": entry["window"],
        "due": entry.get("due", ""),
        "report": entry["report"],
        "monitor": entry["id"],
    }
    summary = f"**{'Breach' if entry['breach'] else 'No breach'}**: {entry['why']}.\n\nActions: {actions}."
    return Outcome(summary=summary, details={**entry, "reason": reason})
