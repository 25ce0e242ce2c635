"""The content of a model card, as JSON: the same records give the same card.

After Mitchell et al., Model Cards for Model Reporting (2019): details, intended use, factors, metrics, evaluation data,
training data, ethical considerations, caveats; and what an audit asks beside: verdicts, people, deployments, incidents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.audit.deployment import served_when
from mlops_provider.runtime.iterations.history import evaluation_of
from mlops_provider.runtime.lineage import approvals_of, lineage_of, run_evidence
from mlops_provider.runtime.monitor.deciding.decisions import newest_first
from mlops_provider.store.model_versions import read_version
from mlops_provider.store.services import list_service_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops_dag_factory.spec.report import ReportSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.records import Record
    from mlops_provider.store.store import Store

Part = dict[str, Any]
_SLICES = 5
_INCIDENTS = 20


def card_of(config: ReportSpec, model: ModelRef, context: RunContext) -> Part:
    """Gather the card of a model from the records of the run, the store's documents and the spec's own words."""
    store, records = context.store(), run_evidence(context)
    meta = store.open(model, verify=True).meta
    document = read_version(store, model.name, model.version) if model.version else None
    lineage = document["lineage"] if document else lineage_of(context, model, meta)
    judged = list(_judged(records, model))
    card = {
        "model": _model(model, meta, context, config),
        "intended_use": {"for": config.intended_use, "not for": config.not_for},
        "evaluations": judged,
        "fairness": list(_fairness(records, model)),
        "data": lineage["data"],
        "code": {**lineage["code"], "parameters": lineage["parameters"]},
        "verdicts": list(_verdicts(records)),
        "people": approvals_of(records) or lineage["approvals"],
        "deployments": served_when(store, model).data.get("periods", []) if model.version else [],
        "incidents": list(_incidents(store, model))[:_INCIDENTS] if model.version else [],
    }
    return {**card, "limits": [*config.limits, *_limits(card, meta)]}


def _model(model: ModelRef, meta: Part, context: RunContext, config: ReportSpec) -> Part:
    signature = meta["signature"]
    features = signature["features"]
    return {
        "workflow": context.workflow,
        "name": model.name or context.workflow,
        "version": model.version or "not registered",
        "digest": model.digest,
        "run": context.run_id,
        "owner": context.owner,
        "contact": config.contact or context.owner,
        "task": signature["task"],
        "target": signature["target"],
        "classes": signature["classes"],
        "features": {each["name"]: each["type"] for each in features},
        "estimator": meta.get("estimator", ""),
        "python": meta.get("python", ""),
        "requirements": meta.get("requirements", []),
    }


def _of(records: Sequence[Record], phase_type: str, model: ModelRef) -> Iterator[Record]:
    for record in records:
        asked = {ref["digest"] for ref in (record.get("inputs") or {}).get("model", [])}
        if record["phase_type"] == phase_type and model.digest in asked:
            yield record


def _judged(records: Sequence[Record], model: ModelRef) -> Iterator[Part]:
    for record in _of(records, "evaluate", model):
        details = record.get("details") or {}
        found = details.get("slices") or []
        intervals, champion = details.get("intervals") or {}, details.get("champion") or {}
        yield {
            "phase": record["phase"],
            "rows": details.get("rows"),
            "metrics": [
                {
                    "metric": name,
                    "value": value,
                    "from": (intervals.get(name) or [None, None])[0],
                    "to": (intervals.get(name) or [None, None])[1],
                    "champion": champion.get(name),
                }
                for name, value in record["metrics"].items()
                if "." not in name
            ],
            "worst_slices": [
                {"slice": each["text"], "rows": each["rows"], **each["metrics"]} for each in found[:_SLICES]
            ],
        }


def _fairness(records: Sequence[Record], model: ModelRef) -> Iterator[Part]:
    for record in _of(records, "explain", model):
        measured = {n: v for n, v in record["metrics"].items() if n.startswith("fairness.") and n.count(".") == 2}  # noqa: PLR2004 (column and metric)
        for name, value in measured.items():
            _, column, metric = name.split(".")
            yield {"phase": record["phase"], "column": column, "metric": metric, "value": value}


def _verdicts(records: Sequence[Record]) -> Iterator[Part]:
    overrides = {record["phase"]: record for record in records}
    for record in records:
        if record.get("verdict"):
            judged = evaluation_of(record, overrides.get(f"{record['phase']}.override"))
            rules = record["verdict"]["rules"]
            failed = [rule["why"] for rule in rules if rule["result"] == "failed"]
            yield {
                "phase": record["phase"],
                "status": judged.status,
                "rules": len(rules),
                "failed": "; ".join(failed),
            } | ({"overridden": judged.by} if judged.by else {})


def _incidents(store: Store, model: ModelRef) -> Iterator[Part]:
    """Give what the monitors decided about the version, newest first."""
    for service in list_service_names(store):
        for _, decision in newest_first(store, *service):
            if decision["actions"] and decision.get("version", "") in {"", model.version}:
                actions = ", ".join(decision["actions"])
                yield {"at": decision["at"], "service": "/".join(service), "what": actions, "why": decision["why"]}


def _limits(card: Part, meta: Part) -> Iterator[str]:
    """Give the limits that the records show: what was not looked at, where it is worst, what it has not seen."""
    if not card["evaluations"]:
        yield "It was not evaluated in this run on rows that it has not seen."
    for each in card["evaluations"]:
        if each["worst_slices"]:
            worst = each["worst_slices"][0]
            yield f"It is worst where {worst['slice']} ({worst['rows']:,} rows of {each['phase']})."
    if not card["fairness"]:
        yield "Nobody looked at how groups of people are treated."
    blocked = [each["phase"] for each in card["verdicts"] if each["status"] not in {"passed", "overridden"}]
    if blocked:
        yield f"These checkpoints have not passed: {', '.join(blocked)}."
    unseen = {f["name"]: len(f["categories"]) for f in meta["signature"]["features"] if f["categories"]}
    if unseen:
        named = ", ".join(f"{name} ({count})" for name, count in list(unseen.items())[:5])
        yield f"It knows only the values seen in training of {named}; others it treats as unknown."
    if not card["people"]:
        yield "Nobody has approved it in this run so far."
