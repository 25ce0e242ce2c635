"""What changed in the data of two runs: versions, rows, columns, missing values, distributions, values in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.iterations.statement import Change
from mlops_provider.runtime.iterations.training_sets import compare_training_sets
from mlops_provider.store.versions import all_versions

if TYPE_CHECKING:
    from mlops_provider.runtime.records import Record
    from mlops_provider.store.store import Store

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
