"""Run one phase: time it, record it, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import CheckpointBlockedError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.cache import OFF, content_key, look_up, remember
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now
from mlops_provider.runtime.outside import Outside, code_of, outside_of
from mlops_provider.runtime.records import write_record
from mlops_provider.runtime.usage import Stopwatch
from mlops_provider.store.versions import add_version

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mlops_provider.runtime.contract import PhaseFunction

_MODULES = (
    "ingest label validate transform split train evaluate explain package register deploy test_service release "
    "rollback predict "
    "monitor.window monitor.check monitor.decide"
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


def run_phase(
    config: BaseModel, inputs: Inputs, context: RunContext, *, cache: bool | float = False, function: str = ""
) -> Finished:
    """Do the work of one phase and write its record; failures are recorded and raised.

    `cache` is the age in seconds up to which what equal work gave before is taken instead; True for any age.
    `function` is the module whose `run` does the work; default: that of the phase type in `FUNCTIONS`.

    A verdict of 'blocked' raises CheckpointBlockedError after the record was written, unless the phase's `on_fail`
    says otherwise: the caller then looks at the verdict.
    """
    store = context.store()
    started, watch = now(), Stopwatch()
    record = {
        **context.to_dict(),
        "started": started,
        "config": config.model_dump(mode="json"),
        "inputs": {field: [ref.to_dict() for ref in refs] for field, refs in inputs.items()},
        "code_version": version("airflow-provider-mlops"),
        "code": code_of(config),
    }
    try:
        outside = outside_of(config, context) if cache is not False else Outside({}, OFF)
        key = content_key(config, inputs, context, outside)
        record |= {"key": key, "outside": outside.state}
        hit = look_up(key, context, outside, cache)
        record["cache"] = {"hit": hit.outcome is not None, "why": hit.why}
        run: PhaseFunction = import_module(function or FUNCTIONS[context.phase_type]).run
        outcome = hit.outcome or run(config, inputs, context)
    except Exception as err:
        failure = {"type": type(err).__name__, "message": str(err)[:4000]}
        record |= {"status": "failed", "error": failure, "ended": now(), "usage": watch.stop().to_dict()}
        write_record(store, context, record)
        raise
    blocked = outcome.verdict is not None and outcome.verdict.status == "blocked"
    record |= {
        "status": "blocked" if blocked else "succeeded",
        "outputs": {name: ref.to_dict() for name, ref in outcome.outputs.items()},
        "metrics": outcome.metrics,
        "verdict": outcome.verdict.to_dict() if outcome.verdict else None,
        "summary": outcome.summary,
        "details": outcome.details,
        "ended": now(),
        "usage": watch.stop().to_dict(),
    }
    finished = Finished(outcome, write_record(store, context, record))
    _add_versions(outcome, context)
    if hit.outcome is None:
        remember(key, outcome, finished.record_uri, context, outside)
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
