"""Looks after a release again and again, in the triggerer, until a step is over or a rule does not hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow.triggers.base import TriggerEvent

from mlops_provider.triggers.phase import PhaseTrigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlops_provider.runtime.rollout.progress import Waiting


class ReleaseTrigger(PhaseTrigger):
    """Fires when there is something to do for a release; it changes nothing itself. It waits before the first look."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look in a thread, so that nothing blocks; what goes wrong is met again by the task, which says it."""
        said, seconds = "", self.seconds
        while True:
            await asyncio.sleep(seconds)
            try:
                waiting = await asyncio.to_thread(self._look)
            except Exception as err:  # noqa: BLE001 (whatever it is, the task says it)
                if not getattr(err, "retryable", False):
                    yield TriggerEvent({"said": str(err)})
                    return
                self.log.warning("the release could not be looked at, it is tried again: %s", err)
                continue
            if waiting is None:
                yield TriggerEvent({"said": "a step is over, or a rule does not hold"})
                return
            seconds = waiting.seconds
            if waiting.said != said:
                said = waiting.said
                self.log.info("%s", said)

    async def on_kill(self) -> None:
        """Take the release back when a person ends the task while it waits: nobody would look after it."""
        from mlops_provider.runtime.rollout.abandon import abandon

        await asyncio.to_thread(abandon, self.context(), "the task was ended by a person while a step lasted")

    def _look(self) -> Waiting | None:
        from mlops_provider.runtime.rollout.one_look import look

        config, inputs = self.phase()
        return look(config, inputs, self.context())
