"""What became of the retraining that was asked for: whether its run has begun, and whether it was judged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_provider.runtime.iterations.history import MONITORING
from mlops_provider.runtime.records import list_runs, run_records
from mlops_provider.store.services import service_history

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

_ENDED = {"failed", "blocked", "rejected"}
_RELEASED = {"release", "deploy"}


def pending(store: Store, workflow: str, environment: str, asked: str, at: str) -> str:
    """Say of the retraining that the decision `asked` led to at a time what it waits for; empty where it has ended.

    It has ended when another version went live since, or when its run was stopped by a verdict, a person or an error,
    or has released what it made.
    """
    states = service_history(store, workflow, environment)
    live = [state.primary.version if state.primary else "" for state in states]
    then = sum(state.change is None or state.change.at <= at for state in states)
    if any(version != live[then - 1] for version in live[then:]):
        return ""
    run_id = _run_of(store, workflow, asked)
    if run_id is None:
        return "has not begun"
    last = {record["phase"]: record for record in run_records(store, workflow, run_id)}
    statuses = {record["status"] for record in last.values()}
    released = any(one["phase_type"] in _RELEASED and _is_of(one, environment) for one in last.values())
    return "" if statuses & _ENDED or released else f"has not ended (run {run_id})"


def _is_of(record: dict[str, Any], environment: str) -> bool:
    same: bool = record["config"].get("environment", environment) == environment
    return same and record["status"] == "succeeded"


def _run_of(store: Store, workflow: str, asked: str) -> str | None:
    """Find the run whose reason is a decision of the monitor, the latest first."""
    for run_id in reversed(list_runs(store, workflow)):
        if run_id.startswith(MONITORING):
            continue
        reason = _reason(store, workflow, run_id)
        if reason.get("monitor") == asked:
            return run_id
    return None


def _reason(store: Store, workflow: str, run_id: str) -> dict[str, Any]:
    """Read the payload of the event that a run came from, in the first record that there is."""
    run = f"{workflow}/runs/{quote(run_id, safe='')}"
    for phase in store.files.list(run):
        for name in store.files.list(f"{run}/{phase}"):
            found = json.loads(store.files.read(f"{run}/{phase}/{name}")).get("reason") or {}
            return dict(found.get("payload") or {})
    return {}
