"""What changed between two training sets, column by column: compared once, and kept beside them.

Both are immutable, so that the answer never changes: whoever asks again, as the monitor does on every breach after a
release, reads it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from mlops_provider.runtime.data_diff import diff_datasets
from mlops_provider.runtime.dataset_drift import score_datasets
from mlops_provider.runtime.iterations.statement import Change
from mlops_provider.runtime.profile_page import said_change
from mlops_provider.runtime.sql import columns_of, identifier
from mlops_provider.runtime.table import connect, scan
from mlops_provider.runtime.view import ROW

if TYPE_CHECKING:
    import duckdb

    from mlops_provider.refs import DatasetRef
    from mlops_provider.store.store import Store

DRIFTED = 0.1
"""Score from which a column counts as drifted: the monitor's default."""
_MOST_COLUMNS = 20


def compare_training_sets(store: Store, phase: str, before: DatasetRef, after: DatasetRef) -> list[Change]:
    """Say of each column what moved: new or gone, its type, missing values, drift score, values in their place.

    NotFoundInStoreError: one of them is gone, whatever was kept.
    """
    sources = scan(store, before), scan(store, after)
    workflow = store.key(after.uri).rsplit("/", 2)[0]
    release = version("airflow-provider-mlops")
    key = f"{workflow}/compared/{before.digest[:20]}-{after.digest[:20]}-{release}.json"
    try:
        content = store.files.read(key)
    except FileNotFoundError:
        found = [asdict(change) for change in _compared(store, sources, before, after)]
        content = json.dumps(found, default=str).encode()  # it may hold infinite numbers
        store.files.create(key, content)  # equal, whoever is first
    return [replace(Change(**change), phase=phase) for change in json.loads(content)]


def _compared(store: Store, sources: tuple[str, str], before: DatasetRef, after: DatasetRef) -> list[Change]:
    with store.scratch() as folder, connect(folder) as connection:
        diff = diff_datasets(connection, *sources)
        drift = score_datasets(store, before, after, threshold=DRIFTED).compared
        replaced = _replaced(connection, store, before, after)
    found = [Change("data", "", name, f"column {name} is new", None, name) for name in diff["added"]]
    found += [Change("data", "", name, f"column {name} is gone", name, None) for name in diff["removed"]]
    for name, (old, new) in diff["retyped"].items():
        found.append(Change("data", "", name, f"column {name} was {old.lower()}, is {new.lower()}", old, new))
    moved = []
    for name in [column["name"] for column in diff["before"]["columns"] if column["name"] not in diff["removed"]]:
        said = diff["columns"].get(name, {})
        score = drift.scores.get(name)
        drifted = score is not None and score >= DRIFTED
        if not (drifted or "missing_share" in said or name in replaced):
            continue
        parts = [f"drift {score:.2f} ({drift.methods[name]})"] if drifted and score is not None else []
        parts += [said_change(said)] if said else []
        parts += (
            [f"{replaced[name]:,} of {after.rows:,} rows have another value than before"] if name in replaced else []
        )
        details = {"column": name, "drift": score, "replaced_rows": replaced.get(name), **said}
        moved.append(Change("data", "", name, f"column {name}: {'; '.join(parts)}", details=details))
    moved.sort(key=lambda change: -(change.details["drift"] or 0.0))
    if len(moved) > _MOST_COLUMNS:
        rest = moved[_MOST_COLUMNS:]
        says = f"{len(rest)} more columns of the training data moved, by {rest[0].details['drift'] or 0.0:.2f} at most"
        moved = [*moved[:_MOST_COLUMNS], Change("data", "", "…", says)]
    return found + moved


def _replaced(
    connection: duckdb.DuckDBPyConnection, store: Store, before: DatasetRef, after: DatasetRef
) -> dict[str, int]:
    """Count, by column, the rows that have another value than the row in the same place had.

    Only where places mean the same row in both: as many rows, and at least half of the columns of more than one value
    are in every row what they were.
    """
    if before.rows != after.rows:
        return {}
    sources = [scan(store, ref, numbered=True) for ref in (before, after)]
    old, new = (columns_of(connection, f"SELECT * EXCLUDE ({ROW}) FROM {source}") for source in sources)
    names = [name for name in old if new.get(name) == old[name]]
    if not names:
        return {}
    counts = ", ".join(
        f"count(*) FILTER (a.{identifier(n)} IS DISTINCT FROM b.{identifier(n)}), count(DISTINCT b.{identifier(n)})"
        for n in names
    )
    query = f"SELECT count(*), {counts} FROM {sources[0]} a JOIN {sources[1]} b USING ({ROW})"
    joined, *numbers = connection.execute(query).fetchone() or (0,)
    other = dict(zip(names, numbers[::2], strict=True))
    varied = dict(zip(names, numbers[1::2], strict=True))
    told = [other[name] == 0 for name in names if varied[name] > 1]
    if joined != after.rows or not told or sum(told) < len(told) / 2:
        return {}
    return {name: int(count) for name, count in other.items() if count}
