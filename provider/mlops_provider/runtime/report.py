"""Phase `report`: the model card, content-addressed, with its digest in the audit chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.refs import ModelRef, ReportRef
from mlops_provider.runtime.aliases import actor_of
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now, one
from mlops_provider.runtime.model_card.card import card_of
from mlops_provider.runtime.model_card.writing import card_markdown, card_page, title_of
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_dag_factory.spec.report import ReportSpec


def run(config: ReportSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Publish the card as JSON, page and Markdown; the chain names its digest, once for each run."""
    model: ModelRef = one(inputs, "model", ModelRef)
    store = context.store()
    card = card_of(config, model, context)
    with store.scratch() as folder:
        (folder / "report.json").write_bytes(json_bytes(card))
        (folder / "report.html").write_text(card_page(card), encoding="utf-8")
        (folder / "report.md").write_text(card_markdown(card), encoding="utf-8")
        published = store.publish(context.workflow, "reports", folder, {"lineage": {"model": model.digest}})
    report = ReportRef(uri=published.uri, digest=published.digest)
    entry = _record(context, model, report)
    limits = "".join(f"- {each}\n" for each in card["limits"])
    return Outcome(
        outputs={"report": report},
        summary=f"{title_of(card)}.\n\n{limits}",
        details={"entry": {"chain": context.workflow, "number": entry.number, "hash": entry.hash} if entry else None},
    )


def _record(context: RunContext, model: ModelRef, report: ReportRef) -> Entry | None:
    """Put the card into the audit chain, unless it stands there as this run's already."""
    actor = actor_of(context)

    def made(current: Entry | None) -> Entry | None:
        if current and current.run == context.run_id and current.payload["report"] == report.digest:
            return None
        about = {"report": report.digest, "version": model.version, "digest": model.digest, "name": model.name}
        return Entry(
            kind="reported",
            subject=f"report/{context.phase}",
            workflow=context.workflow,
            by=actor.by,
            run=context.run_id,
            at=now(),
            reason=actor.reason,
            payload=about,
        )

    return Chain(context.store(), context.workflow).append(f"report/{context.phase}", made)
