"""Looks again and again, in the triggerer, until people have labelled enough."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.triggers.base import TriggerEvent

from mlops_provider.triggers.phase import PhaseTrigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class LabelsTrigger(PhaseTrigger):
    """Fires when enough rows are labelled; a server that does not answer is asked again.

    The address of the server is read from the connection here, so that no token is written down.
    """

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look in a thread, so that nothing blocks."""
        while True:
            try:
                enough, said = await asyncio.to_thread(self._look)
            except Exception as err:  # noqa: BLE001 (whatever it is, the task says it)
                if not getattr(err, "retryable", False):
                    yield TriggerEvent({"error": str(err)})
                    return
                enough, said = False, str(err)
            self.log.info("%s", said)
            if enough:
                yield TriggerEvent({"said": said})
                return
            await asyncio.sleep(self.seconds)

    def _look(self) -> tuple[bool, str]:
        from mlops_provider.hooks.label_studio import LabelStudioHook
        from mlops_provider.runtime.label import is_enough

        config, inputs = self.phase()
        address = LabelStudioHook(config.conn_id).address()
        return is_enough(config, inputs, replace(self.context(), connections={config.conn_id: address}))
