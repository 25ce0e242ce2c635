"""Overrides of blocked checkpoints: who let a run go on, or stopped it, as an entry of the audit chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.contract import now
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.store import json_digest

if TYPE_CHECKING:
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.records import Record


def record_override(context: RunContext, blocked: Record, *, overridden: bool, by: str, reason: str) -> dict[str, Any]:
    """Put the decision on a blocked checkpoint into the chain, once for each attempt; give where the entry stands."""
    chain = Chain(context.store(), context.workflow)
    phase, asked = str(blocked["phase"]), {"phase": context.phase, "attempt": context.attempt}

    def made(current: Entry | None) -> Entry | None:
        if current and current.run == context.run_id and current.payload["asked"] == asked:
            return None
        return Entry(
            kind="overridden" if overridden else "stopped",
            subject=f"override/{phase}",
            workflow=context.workflow,
            by=by,
            run=context.run_id,
            at=now(),
            reason=reason,
            payload={"asked": asked, "verdict": blocked["verdict"], "record": json_digest(blocked)},
        )

    entry = chain.append(f"override/{phase}", made)
    return {"chain": context.workflow, "number": entry.number, "hash": entry.hash} if entry else {}
