"""What a tracking run holds of each phase: parameters, metrics and how it ended, under the phase's name."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.contract import item_label
from mlops_provider.runtime.records import run_records

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.records import Record

_MOST_AT_ONCE = 100
"""MLflow takes at most so many parameters and tags at once; of metrics, a thousand."""
_LONGEST = 4000
_NOT_PARAMETERS = frozenset(
    {"type", "title", "description", "after", "retries", "retry_delay", "timeout", "resources", "on_fail"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One phase; `tags` say how it ended."""

    phase: str
    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def earlier_phases(context: RunContext) -> list[Entry]:
    """Give the other phases of the run, of a repeated phase those of its item, each by its last attempt's record."""
    item = item_label(context.item) if context.item else ""
    records = run_records(context.store(), context.workflow, context.run_id, item=item)
    last = {record["phase"]: record for record in records if record["phase"] != context.phase}
    return [_entry(record) for record in last.values()]


def _entry(record: Record) -> Entry:
    chosen = {name: value for name, value in record["config"].items() if name not in _NOT_PARAMETERS and value}
    verdict = record.get("verdict") or {}
    tags = {"status": record["status"], "key": record.get("key", ""), "verdict": verdict.get("status", "")}
    return Entry(
        phase=record["phase"],
        parameters=chosen,
        metrics=record.get("metrics") or {},
        tags={name: value for name, value in tags.items() if value},
    )


def log_entries(api: MlflowClient, run_id: str, entries: list[Entry]) -> None:
    """Log what the run does not hold yet; parameters of MLflow cannot change, metrics keep their history."""
    from mlflow.entities import Metric, Param, RunTag

    known, stamp = api.get_run(run_id).data, int(time.time() * 1000)
    metrics = {_name(e.phase, name): float(value) for e in entries for name, value in e.metrics.items()}
    params = {_name(e.phase, name): str(value)[:_LONGEST] for e in entries for name, value in e.parameters.items()}
    tags = {f"mlops.{_name(e.phase, name)}": value for e in entries for name, value in e.tags.items()}
    new_metrics = [Metric(name, v, stamp, 0) for name, v in metrics.items() if known.metrics.get(name) != v]
    new_params = [Param(name, value) for name, value in params.items() if name not in known.params]
    new_tags = [RunTag(name, value) for name, value in tags.items() if known.tags.get(name) != value]
    for some in _parts(new_metrics):
        api.log_batch(run_id, metrics=some)
    for some in _parts(new_params):
        api.log_batch(run_id, params=some)
    for some in _parts(new_tags):
        api.log_batch(run_id, tags=some)


def _parts(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _MOST_AT_ONCE] for start in range(0, len(items), _MOST_AT_ONCE)]


def _name(phase: str, name: str) -> str:
    return "".join(char if char.isalnum() or char in "_-./ " else "_" for char in f"{phase}.{name}")
