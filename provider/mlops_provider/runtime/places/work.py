"""The work of one phase as JSON: what reaches a child process, a container or a pod, and what comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.cache import Recalled
from mlops_provider.runtime.contract import Inputs, RunContext
from mlops_provider.store.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from mlops_provider.runtime.outside import Outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work of one phase. `spec` is the class of its config, as 'module:Class'; `function` the module of its `run`.

    `recalled` is set where the cache was asked already. `worker` counts from 1 where the work is a worker's share in
    the search of a training. `variables` are environment variables with secrets; with the context's connections they
    reach the work by standard input or a file, never by a command line, and no record has them.
    """

    spec: str
    config: dict[str, Any]
    inputs: Inputs
    context: RunContext
    function: str = ""
    recalled: Recalled | None = None
    worker: int = 0
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def recorded(self) -> RunContext:
        """The context under which the record stands: a worker of a search has one beside that of its training."""
        if not self.worker:
            return self.context
        return replace(self.context, phase=f"{self.context.phase}.trial@{self.worker}", phase_type="trial")

    def validated(self) -> BaseModel:
        """Give the config as its model; pydantic's ValidationError names what is wrong."""
        module, _, name = self.spec.partition(":")
        config: BaseModel = getattr(import_module(module), name).model_validate(self.config)
        return config

    def to_json(self) -> str:
        """Give the JSON form on one line, with its secrets."""
        return json.dumps({
            "spec": self.spec,
            "config": self.config,
            "inputs": {field: [ref.to_dict() for ref in refs] for field, refs in self.inputs.items()},
            "context": {**self.context.to_dict(), "connections": dict(self.context.connections)},
            "function": self.function,
            "recalled": self.recalled.to_dict() if self.recalled else None,
            "worker": self.worker,
            "variables": dict(self.variables),
        }, default=str)  # fmt: skip

    @classmethod
    def read(cls, phase: str, text: str) -> Self:
        """Read the JSON form; ConfigError: it is none.

        What the context does not say of trust, the environment says.
        """
        try:
            task = json.loads(text)
            trust = Trust.from_environment()
            defaults = {"allowed_imports": trust.imports, "trusted_types": trust.types}
            recalled = task.get("recalled")
            return cls(
                spec=task["spec"],
                config=task["config"],
                inputs={field: [ref_from_dict(ref) for ref in refs] for field, refs in task["inputs"].items()},
                context=RunContext.from_dict({**defaults, **task["context"], "phase_type": phase}),
                function=task.get("function", ""),
                recalled=Recalled.from_dict(recalled) if recalled else None,
                worker=task.get("worker", 0),
                variables=task.get("variables", {}),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            message = f"the task of '{phase}' cannot be read: {type(err).__name__}: {err}"
            raise ConfigError(message, hint="it is an object with spec, config, inputs and context") from err


class Place(Protocol):
    """Somewhere that runs `python -m mlops_provider.runtime` on a work."""

    def described(self) -> dict[str, Any]:
        """Say in the record where the work is done."""
        ...

    def environment(self) -> Outside:
        """Say for the cache what the outcome depends on there."""
        ...

    def run(self, work: Work, say: Callable[[str], None]) -> dict[str, Any]:
        """Do the work, pass its log on, and give what goes to XCom.

        Errors are WorkFailedError and its kin, retryable or not as the process said by its exit code.
        """
        ...

    def kill(self) -> None:
        """End the work now."""
        ...
