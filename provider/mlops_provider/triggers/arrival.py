"""Looks again and again, in the triggerer, until enough new data is there."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class DataArrivalTrigger(BaseTrigger):
    """Fires when enough new data is there.

    `spec` and `config` make the ingest's spec, `run` is its run context as JSON, `every` the seconds between two looks.
    """

    def __init__(self, *, spec: str, config: dict[str, Any], run: dict[str, Any], every: float) -> None:
        super().__init__()
        self.spec = spec
        self.config = config
        self.run_fields = run
        self.every = every

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what the triggerer makes this trigger of."""
        fields = {"spec": self.spec, "config": self.config, "run": self.run_fields, "every": self.every}
        return f"{type(self).__module__}.{type(self).__qualname__}", fields

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look in a thread, so that nothing blocks; an error is told to the task."""
        from mlops_provider.runtime.arrival import look_for_data
        from mlops_provider.runtime.contract import RunContext

        module, _, name = self.spec.partition(":")
        config = getattr(import_module(module), name).model_validate(self.config)
        context = RunContext.from_dict(self.run_fields)
        while True:
            try:
                arrival = await asyncio.to_thread(look_for_data, config, context)
            except Exception as err:  # noqa: BLE001 (whatever it is, the task says it)
                yield TriggerEvent({"error": str(err)})
                return
            if arrival.enough:
                yield TriggerEvent({"said": arrival.said})
                return
            self.log.info("%s", arrival.said)
            await asyncio.sleep(self.every)
