"""Looks again and again, in the triggerer, until people have labelled enough."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class LabelsTrigger(BaseTrigger):
    """Fires when enough rows are labelled; a server that does not answer is asked again.

    `spec` and `config` make the phase's spec, `inputs` are its references and `run` its run context as JSON. The
    address of the server is read from the connection here, so that no token is written down.
    """

    def __init__(
        self, *, spec: str, config: dict[str, Any], inputs: dict[str, Any], run: dict[str, Any], every: float
    ) -> None:
        super().__init__()
        self.spec = spec
        self.config = config
        self.inputs = inputs
        self.run_fields = run
        self.every = every

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what the triggerer makes this trigger of."""
        fields = {name: getattr(self, name) for name in ("spec", "config", "inputs", "every")}
        return f"{type(self).__module__}.{type(self).__qualname__}", {**fields, "run": self.run_fields}

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
            await asyncio.sleep(self.every)

    def _look(self) -> tuple[bool, str]:
        from dataclasses import replace

        from mlops_provider.hooks.label_studio import LabelStudioHook
        from mlops_provider.refs import ref_from_dict
        from mlops_provider.runtime.contract import RunContext
        from mlops_provider.runtime.label import is_enough

        module, _, name = self.spec.partition(":")
        config = getattr(import_module(module), name).model_validate(self.config)
        inputs = {field: [ref_from_dict(ref) for ref in refs] for field, refs in self.inputs.items()}
        address = LabelStudioHook(config.conn_id).address()
        return is_enough(
            config, inputs, replace(RunContext.from_dict(self.run_fields), connections={config.conn_id: address})
        )
