"""What changed in the data of two runs: versions, rows, columns, missing values, distributions, values in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.data_diff import diff_datasets
from mlops_provider.runtime.dataset_drift import score_datasets
from mlops_provider.runtime.iterations.statement import Change
from mlops_provider.runtime.profile_page import said_change
from mlops_provider.runtime.sql import columns_of, identifier
from mlops_provider.runtime.table import connect, scan
from mlops_provider.runtime.view import ROW
from mlops_provider.store.versions import all_versions

if TYPE_CHECKING:
    import duckdb

    from mlops_provider.runtime.records import Record
    from mlops_provider.store.store import Store

DRIFTED = 0.1
"""Score from which a column counts as drifted: the monitor's default."""
_MOST_COLUMNS = 20
_LEARNS = "train"


def changed_data(
    store: Store,
    pairs: list[tuple[Record, Record]],
    changes: list[Change],
    compared: set[str],
    unknown: list[str],
) -> None:
    """Compare every dataset that both runs made, by its digest, and the training sets column by column."""
    seen: set[tuple[str, str]] = set()
    for before, after in pairs:
        changes += _outputs(store, before, after, compared)
        sides = [_dataset(record, "data") for record in (before, after)]
        if after["phase_type"] != _LEARNS or sides[0] is None or sides[1] is None:
            continue
        compared.add("data")
        key = sides[0].digest, sides[1].digest
        if key[0] != key[1] and key not in seen:
            seen.add(key)
            try:
                changes += compare_training_sets(store, after["phase"], sides[0], sides[1])
            except MlopsError as err:
                unknown.append(f"the columns that {after['phase']} learned from: {err.message}")


def _dataset(record: Record, field: str) -> DatasetRef | None:
    refs = record["inputs"].get(field) or []
    if len(refs) != 1 or refs[0]["kind"] != "dataset":
        return None
    return DatasetRef(uri=refs[0]["uri"], digest=refs[0]["digest"], rows=refs[0]["rows"])


def _outputs(store: Store, before: Record, after: Record, compared: set[str]) -> list[Change]:
    found = []
    old, told = before.get("outputs") or {}, set()
    for output, ref in (after.get("outputs") or {}).items():
        other = old.get(output)
        if ref["kind"] != "dataset" or other is None:
            continue
        compared.add("data")
        if ref["digest"] == other["digest"] or (other["digest"], ref["digest"]) in told:
            continue
        told.add((other["digest"], ref["digest"]))
        name = f"{after['phase']}.{output}"
        versions = [_version(store, record, name, each) for record, each in ((before, other), (after, ref))]
        numbers = f"version {versions[0]} → {versions[1]}, " if all(versions) else ""
        rows = f"{other['rows']:,} → {ref['rows']:,} rows" if other["rows"] != ref["rows"] else f"{ref['rows']:,} rows"
        says = f"dataset {name}: {numbers}{rows}, {other['digest'][:12]} → {ref['digest'][:12]}"
        details = {"rows": [other["rows"], ref["rows"]], "versions": versions}
        found.append(Change("data", after["phase"], output, says, other["digest"], ref["digest"], details))
    return found


def _version(store: Store, record: Record, name: str, ref: dict[str, Any]) -> int | None:
    """Give the number of a dataset's version; None where the run made none of it."""
    numbers = [
        version.number
        for version in all_versions(store, record["workflow"], name)
        if (version.run, version.ref.digest) == (record["run_id"], ref["digest"])
    ]
    return numbers[-1] if numbers else None


def compare_training_sets(store: Store, phase: str, before: DatasetRef, after: DatasetRef) -> list[Change]:
    """Say of each column what moved: new or gone, its type, missing values, drift score, values in their place."""
    with store.scratch() as folder, connect(folder) as connection:
        diff = diff_datasets(connection, scan(store, before), scan(store, after))
        drift = score_datasets(store, before, after, threshold=DRIFTED).compared
        replaced = _replaced(connection, store, before, after)
    found = [Change("data", phase, name, f"column {name} is new", None, name) for name in diff["added"]]
    found += [Change("data", phase, name, f"column {name} is gone", name, None) for name in diff["removed"]]
    for name, (old, new) in diff["retyped"].items():
        found.append(Change("data", phase, name, f"column {name} was {old.lower()}, is {new.lower()}", old, new))
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
        moved.append(Change("data", phase, name, f"column {name}: {'; '.join(parts)}", details=details))
    moved.sort(key=lambda change: -(change.details["drift"] or 0.0))
    if len(moved) > _MOST_COLUMNS:
        rest = moved[_MOST_COLUMNS:]
        says = f"{len(rest)} more columns of the training data moved, by {rest[0].details['drift'] or 0.0:.2f} at most"
        moved = [*moved[:_MOST_COLUMNS], Change("data", phase, "…", says)]
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
