"""Whether a run has the evidence that its product's risk class requires: records that are there, and that passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.evidence_policy import MONITOR, read_policies
from mlops_provider.exceptions import ReleaseRefusedError
from mlops_provider.runtime.iterations.history import evaluation_of
from mlops_provider.runtime.lineage import run_evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops_provider.evidence_policy import Policy, Rule
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.records import Record

_OF_THE_MODEL = frozenset({"evaluate", "explain"})
"""What must be about the very bytes that are released."""


def require_evidence(context: RunContext, risk: str | None, model: ModelRef, config: dict[str, Any]) -> dict[str, Any]:
    """Give what the policy asked for and which records prove it; {} where no policy applies.

    ReleaseRefusedError names all that is missing, did not pass, or is forbidden. `config` is the release's own.
    """
    policy = read_policies(context.policies).get(risk or "") if context.policies and risk else None
    if policy is None:
        return {}
    records = run_evidence(context)
    lacking, proven = [], dict[str, list[str]]()
    for rule in policy.require:
        if rule.phase_type == MONITOR:
            continue  # a run has no record of it: `mlops validate` looks
        names, why = _proofs(rule, records, model)
        if names:
            proven[rule.text] = names
        else:
            lacking.append(f"{rule.text} ({why})")
    forbidden = list(
        _forbidden(policy, [*records, {"phase_type": "release", "phase": context.phase, "config": config}])
    )
    if lacking or forbidden:
        said = [f"requires {', '.join(lacking)}"] if lacking else []
        said += [f"forbids {', '.join(forbidden)}"] if forbidden else []
        raise ReleaseRefusedError(
            f"version {model.version} may not be released: risk '{policy.risk}' {' and '.join(said)}",
            hint=f"the policy is in {policy.source}; mlops validate --policies says what the workflow lacks",
        )
    return {"risk": policy.risk, "source": policy.source, "digest": policy.digest, "proven": proven}


def _proofs(rule: Rule, records: Sequence[Record], model: ModelRef) -> tuple[list[str], str]:
    """Give the phases that prove a rule, or why none does."""
    found = [record for record in records if record["phase_type"] == rule.phase_type]
    if not found:
        return [], "no such phase has a record in this run"
    overrides = {record["phase"]: record for record in records}
    reasons, names = [], []
    for record in found:
        why = _why_not(rule, record, overrides.get(f"{record['phase']}.override"), model)
        if why:
            reasons.append(f"{record['phase']} {why}")
        else:
            names.append(record["phase"])
    return names, "; ".join(reasons)


def _why_not(rule: Rule, record: Record, override: Record | None, model: ModelRef) -> str:
    asked = {ref["digest"] for ref in (record.get("inputs") or {}).get("model", [])}
    if rule.phase_type in _OF_THE_MODEL and model.digest not in asked:
        return "is about another model"
    config = dict(record.get("config") or {})
    if rule.phase_type == "approve":
        details = record.get("details") or {}
        people = {each["by"]["id"] for each in details.get("decisions", []) if each["choice"] == "approved"}
        if not details.get("approved"):
            return "was not approved"
        config["approvals"] = len(people)
    if not rule.fits(config):
        shown = ", ".join(f"{name}: {config.get(name)}" for name, _ in rule.fields)
        return f"has {shown}"
    if not record.get("verdict"):
        return ""
    judged = evaluation_of(record, override)
    return "" if judged.good else f"is {judged.status}"


def _forbidden(policy: Policy, records: Sequence[Record]) -> Iterator[str]:
    for rule in policy.forbid:
        for record in records:
            if record["phase_type"] == rule.phase_type and rule.fields and rule.fits(record.get("config") or {}):
                yield f"{rule.text} ({record['phase']})"
