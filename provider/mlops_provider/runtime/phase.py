"""Run one phase: time it, record it, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import CheckpointBlockedError
from mlops_provider.refs import DatasetRef, ref_from_dict
from mlops_provider.runtime.cache import Recalled, recall, remember
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now
from mlops_provider.runtime.recording import recording
from mlops_provider.runtime.records import read_record, write_record
from mlops_provider.store.versions import add_version
from mlops_provider.verdicts import Verdict

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mlops_provider.runtime.contract import PhaseFunction
    from mlops_provider.store.store import Store

_MODULES = (
    "ingest label validate transform split train evaluate explain package register deploy test_service release "
    "rollback predict report "
    "monitor.hours monitor.window monitor.check monitor.decide monitor.fallback monitor.todo monitor.stop"
)
FUNCTIONS = {name: f"mlops_provider.runtime.{name}" for name in _MODULES.split()}
"""Phase type -> module whose `run` does the work."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An outcome and the URI of its record."""

    outcome: Outcome
    record_uri: str

    def to_xcom(self) -> dict[str, Any]:
        """Give what later tasks need, below 1 kB: references, verdict, where the record is."""
        verdict = self.outcome.verdict
        return {
            "outputs": {name: ref.to_dict() for name, ref in self.outcome.outputs.items()},
            "verdict": verdict.status if verdict else None,
            "record": self.record_uri,
        }

    @classmethod
    def read(cls, store: Store, uri: str) -> Self:
        """Read what a phase gave from its record, where another process wrote it."""
        record = read_record(store, uri)
        outcome = Outcome(
            outputs={name: ref_from_dict(ref) for name, ref in record["outputs"].items()},
            metrics=record["metrics"],
            verdict=Verdict.from_dict(record["verdict"]) if record["verdict"] else None,
            summary=record["summary"],
            details=record["details"],
        )
        return cls(outcome, uri)


def run_phase(
    config: BaseModel,
    inputs: Inputs,
    context: RunContext,
    *,
    cache: bool | float = False,
    function: str = "",
    recalled: Recalled | None = None,
) -> Finished:
    """Do the work of one phase and write its record; failures are recorded and raised.

    `cache` is the age in seconds up to which what equal work gave before is taken instead; True for any age.
    `function` is the module whose `run` does the work; default: that of the phase type in `FUNCTIONS`.
    `recalled` is what was found where the cache was asked already.

    A verdict of 'blocked' raises CheckpointBlockedError after the record was written, unless the phase's `on_fail`
    says otherwise: the caller then looks at the verdict.
    """
    with recording(config, inputs, context) as begun:
        found = recalled or recall(config, inputs, context, cache)
        record = begun.record
        record |= {"key": found.key, "outside": found.outside.state}
        record["cache"] = {"hit": found.hit.outcome is not None, "why": found.hit.why}
        run: PhaseFunction = import_module(function or FUNCTIONS[context.phase_type]).run
        outcome = found.hit.outcome or run(config, inputs, context)
    blocked = outcome.verdict is not None and outcome.verdict.status == "blocked"
    record |= {
        "status": "blocked" if blocked else "succeeded",
        "outputs": {name: ref.to_dict() for name, ref in outcome.outputs.items()},
        "metrics": outcome.metrics,
        "verdict": outcome.verdict.to_dict() if outcome.verdict else None,
        "summary": outcome.summary,
        "details": outcome.details,
        **begun.end(),
    }
    finished = Finished(outcome, write_record(context.store(), context, record))
    _add_versions(outcome, context)
    if found.hit.outcome is None:
        remember(found.key, outcome, finished.record_uri, context, found.outside)
    if outcome.verdict and blocked and getattr(config, "on_fail", None) == "stop":
        reasons = "; ".join(outcome.verdict.failures())
        raise CheckpointBlockedError(f"{context.phase} is blocked: {reasons}", hint=f"record: {finished.record_uri}")
    return finished


def _add_versions(outcome: Outcome, context: RunContext) -> None:
    """Make the datasets that the phase gave the latest of their names."""
    for name, ref in outcome.outputs.items():
        if isinstance(ref, DatasetRef):
            about = {"run": context.run_id, "owner": context.owner, "at": now()}
            add_version(context.store(), context.workflow, f"{context.phase}.{name}", ref, **about)
