"""Phase records: one immutable JSON file per attempt of a phase, written once, read by everything that looks back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mlops_provider.exceptions import NotFoundInStoreError
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


def read_record(store: Store, uri: str) -> Record:
    """Read a record by its URI."""
    try:
        return json.loads(store.files.read(store.key(uri)))  # type: ignore[no-any-return]
    except FileNotFoundError as err:
        raise NotFoundInStoreError(uri) from err


def list_runs(store: Store, workflow: str) -> list[str]:
    """Give the ids of the runs of a workflow that left records."""
    return [unquote(name) for name in store.files.list(f"{workflow}/runs")]


def run_records(store: Store, workflow: str, run_id: str) -> list[Record]:
    """Give all records of a run, every attempt, in the order in which they started."""
    run = f"{workflow}/runs/{quote(run_id, safe='')}"
    keys = [f"{run}/{phase}/{name}" for phase in store.files.list(run) for name in store.files.list(f"{run}/{phase}")]
    records: list[Record] = [json.loads(store.files.read(key)) for key in keys]
    return sorted(records, key=lambda record: (record["started"], record["attempt"]))
