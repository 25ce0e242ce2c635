"""What looks after a phase again and again, in the triggerer, until it may go on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from mlops_provider.runtime.contract import Inputs, RunContext


class PhaseTrigger(BaseTrigger):
    """Has what the phase has: `spec` and `config` make its spec, `inputs` are its references, `run` its run context.

    All of it is JSON, without secrets. `seconds` pass between two looks.
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

    def context(self) -> RunContext:
        """Give the run context of the phase."""
        from mlops_provider.runtime.contract import RunContext

        return RunContext.from_dict(self.run_fields)

    def phase(self) -> tuple[Any, Inputs]:
        """Give the phase's spec and its references."""
        from mlops_provider.refs import ref_from_dict

        module, _, name = self.spec.partition(":")
        config = getattr(import_module(module), name).model_validate(self.config)
        return config, {field: [ref_from_dict(ref) for ref in refs] for field, refs in self.inputs.items()}
