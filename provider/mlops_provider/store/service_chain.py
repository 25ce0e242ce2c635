"""Changes of services in the audit chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.services import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.services import Service
    from mlops_provider.store.standing import Actor
    from mlops_provider.store.store import Store


def note_change(store: Store, service: Service, actor: Actor, kind: str, payload: Mapping[str, Any]) -> None:
    """Record in the chain of the service's workflow what led to a state of it, once for each revision."""
    subject = f"service/{service.environment}"
    content = {**payload, "revision": service.revision, "identity": actor.identity}

    def decide(latest: Entry | None) -> Entry | None:
        if latest is not None and latest.payload.get("revision", 0) >= service.revision:
            return None
        return Entry(
            kind=kind,
            subject=subject,
            workflow=actor.workflow,
            by=actor.by,
            run=actor.run,
            at=now(),
            reason=actor.reason,
            payload=content,
        )

    Chain(store, service.workflow).append(subject, decide)
