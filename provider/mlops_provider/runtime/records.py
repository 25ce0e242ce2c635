"""Phase records: one immutable JSON file per attempt of a phase, written once, read by everything that looks back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mlops_provider.exceptions import NotFoundInStoreError
from mlops_provider.runtime.contract import now
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.store import Store

Record = dict[str, Any]


def write_record(store: Store, context: RunContext, record: Record) -> str:
    """Write the record of an attempt, atomically and once; give its URI. A second write of it is ignored."""
    key = f"{context.run_key}/{context.phase}/{context.attempt:04d}.json"
    store.files.create(key, json_bytes(record))
    return store.uri(key)


def note(
    context: RunContext,
    *,
    started: str,
    summary: str,
    config: Record | None = None,
    details: Record | None = None,
    outputs: Record | None = None,
    metrics: dict[str, float] | None = None,
    status: str = "succeeded",
    usage: Record | None = None,
) -> str:
    """Write the record of what is not a phase function: an answer, a decision, another operator; give its URI."""
    record = {
        **context.to_dict(),
        "started": started,
        "ended": now(),
        "status": status,
        "config": config or {},
        "inputs": {},
        "outputs": outputs or {},
        "metrics": metrics or {},
        "verdict": None,
        "summary": summary,
        "details": details or {},
        **({"usage": usage} if usage else {}),
    }
    return write_record(context.store(), context, record)


def read_record(store: Store, uri: str) -> Record:
    """Read a record by its URI."""
    try:
        return json.loads(store.files.read(store.key(uri)))  # type: ignore[no-any-return]
    except FileNotFoundError as err:
        raise NotFoundInStoreError(uri) from err


def list_runs(store: Store, workflow: str) -> list[str]:
    """Give the ids of the runs of a workflow that left records."""
    return [unquote(name) for name in store.files.list(f"{workflow}/runs")]


def run_records(store: Store, workflow: str, run_id: str, *, item: str = "") -> list[Record]:
    """Give all records of a run, every attempt, in the order in which they started.

    With the label of an `item` those of other items are left unread: a run over a thousand has thousands.
    """
    run = f"{workflow}/runs/{quote(run_id, safe='')}"
    phases = [name for name in store.files.list(run) if not item or name.rpartition("@")[2] in {name, item}]
    keys = [f"{run}/{phase}/{name}" for phase in phases for name in store.files.list(f"{run}/{phase}")]
    records: list[Record] = [json.loads(store.files.read(key)) for key in keys]
    return sorted(records, key=lambda record: (record["started"], record["attempt"]))


def latest_result(store: Store, workflow: str, phase: str, *, run_id: str = "") -> Record | None:
    """Give what a phase last returned, in one run or in the latest that has it; None where there is none.

    Only attempts that succeeded count.
    """
    found: Record | None = None
    for run in [run_id] if run_id else list_runs(store, workflow):
        folder = f"{workflow}/runs/{quote(run, safe='')}/{phase}"
        for name in store.files.list(folder):
            key = f"{folder}/{name}"
            record = json.loads(store.files.read(key))
            if record["status"] == "succeeded" and (found is None or record["ended"] > found["ended"]):
                found = {**record, "uri": store.uri(key)}
    if found is None:
        return None
    verdict = found["verdict"]["status"] if found["verdict"] else None
    return {"outputs": found["outputs"], "verdict": verdict, "record": found["uri"]}
