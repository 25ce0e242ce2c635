"""Looks after a release again and again, in the triggerer, until a step is over or a rule does not hold."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlops_provider.runtime.rollout.progress import Waiting


class ReleaseTrigger(BaseTrigger):
    """Fires when there is something to do for a release; it changes nothing itself.

    `spec` and `config` make the phase's spec, `inputs` are its references and `run` its run context as JSON; `seconds`
    pass before the first look.
    """

    def __init__(
        self, *, spec: str, config: dict[str, Any], inputs: dict[str, Any], run: dict[str, Any], seconds: float
    ) -> None:
        super().__init__()
        self.spec = spec
        self.config = config
        self.inputs = inputs
        self.run_fields = run
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what the triggerer makes this trigger of."""
        fields = {name: getattr(self, name) for name in ("spec", "config", "inputs", "seconds")}
        return f"{type(self).__module__}.{type(self).__qualname__}", {**fields, "run": self.run_fields}

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
        from mlops_provider.runtime.contract import RunContext
        from mlops_provider.runtime.rollout.abandon import abandon

        context = RunContext.from_dict(self.run_fields)
        await asyncio.to_thread(abandon, context, "the task was ended by a person while a step lasted")

    def _look(self) -> Waiting | None:
        from mlops_provider.refs import ref_from_dict
        from mlops_provider.runtime.contract import RunContext
        from mlops_provider.runtime.rollout.one_look import look

        module, _, name = self.spec.partition(":")
        config = getattr(import_module(module), name).model_validate(self.config)
        inputs = {field: [ref_from_dict(ref) for ref in refs] for field, refs in self.inputs.items()}
        return look(config, inputs, RunContext.from_dict(self.run_fields))
