"""Looks again and again, in the triggerer, until a registered name has the version that is waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class ModelVersionTrigger(BaseTrigger):
    """Fires with the version as a reference; `wanted` are the arguments of `find_version`."""

    def __init__(self, *, store_url: str, name: str, wanted: dict[str, Any], poll_interval: float) -> None:
        super().__init__()
        self.store_url = store_url
        self.name = name
        self.wanted = wanted
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what the triggerer makes this trigger of."""
        fields = {"store_url": self.store_url, "name": self.name, "wanted": self.wanted}
        return f"{type(self).__module__}.{type(self).__qualname__}", fields | {"poll_interval": self.poll_interval}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look in a thread, so that nothing blocks; what a later look may mend is waited out, other errors are told."""
        from mlops_provider.exceptions import MlopsError
        from mlops_provider.runtime.arrived_version import find_version
        from mlops_provider.store.store import Store

        store = Store(self.store_url)
        while True:
            try:
                found = await asyncio.to_thread(find_version, store, self.name, **self.wanted)
            except Exception as err:  # noqa: BLE001 (whatever it is, the task says it)
                if not (isinstance(err, OSError) or (isinstance(err, MlopsError) and err.retryable)):
                    yield TriggerEvent({"error": str(err)})
                    return
                self.log.warning("the store could not be read, it is tried again: %s", err)
                found = None
            if found is not None:
                yield TriggerEvent({"version": found.to_dict()})
                return
            await asyncio.sleep(self.poll_interval)
