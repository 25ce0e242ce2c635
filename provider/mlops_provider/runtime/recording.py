"""The record of a phase while it is made: what is known when the work begins, and what became of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.contract import Inputs, RunContext, now
from mlops_provider.runtime.outside import code_of
from mlops_provider.runtime.records import write_record
from mlops_provider.runtime.usage import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel


@dataclass(slots=True)
class Recording:
    """A record that is not written yet."""

    record: dict[str, Any]
    watch: Stopwatch = field(default_factory=Stopwatch)

    def end(self) -> dict[str, Any]:
        """Give when the work ended and what it used."""
        return {"ended": now(), "usage": self.watch.stop().to_dict()}


@contextmanager
def recording(config: BaseModel, inputs: Inputs, context: RunContext) -> Iterator[Recording]:
    """Begin the record of an attempt; where the work raises, write it as failed."""
    found = Recording({**context.to_dict(), "started": now()})
    found.record |= {
        "config": config.model_dump(mode="json"),
        "inputs": {field: [ref.to_dict() for ref in refs] for field, refs in inputs.items()},
        "code_version": version("airflow-provider-mlops"),
        "code": code_of(config),
    }
    try:
        yield found
    except Exception as err:
        failure = {"type": type(err).__name__, "message": str(err)[:4000]}
        found.record |= {"status": "failed", "error": failure, **found.end()}
        write_record(context.store(), context, found.record)
        raise
