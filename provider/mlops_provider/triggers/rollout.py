"""Waits, in the triggerer, until a rollout in a cluster is done, has failed or is late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class RolloutTrigger(BaseTrigger):
    """Fires when there is nothing more to wait for; `placement` is its JSON form.

    The cluster's address is read from the connection here, so that no token is written down.
    """

    def __init__(self, *, placement: dict[str, Any]) -> None:
        super().__init__()
        self.placement = placement

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what the triggerer makes this trigger of."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"placement": self.placement}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; whatever goes wrong here, the task looks for itself and says it."""
        from mlops_provider.hooks.kubernetes import ClusterHook
        from mlops_provider.runtime.targets.watching import wait_for_rollout
        from mlops_provider.store.placements import Placement

        placement = Placement.from_dict(self.placement)
        try:
            address = await asyncio.to_thread(lambda: ClusterHook(placement.connection).address())
            progress = await wait_for_rollout(address, placement)
        except Exception as err:  # noqa: BLE001 (as above)
            yield TriggerEvent({"status": "unknown", "said": str(err)})
            return
        yield TriggerEvent({"status": progress.status, "said": progress.said})

    async def on_kill(self) -> None:
        """Put back what ran before when a person ends the task while it waits: nobody would look after it."""
        await asyncio.to_thread(self._undo)

    def _undo(self) -> None:
        from mlops_provider.hooks.addresses import addresses
        from mlops_provider.runtime.targets.rollout import undo
        from mlops_provider.runtime.targets.upkeep import placed
        from mlops_provider.settings import Settings
        from mlops_provider.store.placements import Placement
        from mlops_provider.store.store import Store

        placement, store = Placement.from_dict(self.placement), Store(Settings.from_airflow().store_url)
        places = [(found.target, found.connection) for found in (placement, *placed(store, placement.workflow))]
        undo(store, placement, addresses(places))
