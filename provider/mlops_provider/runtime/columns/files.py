"""Profiles as a Parquet file: one row for each column; equal profiles give equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.profile import ColumnProfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa

_PLAIN = ("rows", "missing", "infinite", "wrong", "centre", "squares", "minimum", "maximum", "other")


def write_profiles(path: Path, profiles: Mapping[str, ColumnProfile]) -> None:
    """Write the profiles of columns, by name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(profiles.values())
    fields: dict[str, Any] = {"name": pa.array(list(profiles), pa.string())}
    fields["kind"] = pa.array([row.kind for row in rows], pa.string())
    for name in _PLAIN:
        values = [getattr(row, name) for row in rows]
        fields[name] = pa.array(values, pa.float64() if name in {*_PLAIN[4:8]} else pa.int64())
    for name, kind in (("bins", pa.int32()), ("counts", pa.int64()), ("sums", pa.float64())):
        fields[name] = _lists([pa.array(getattr(row, name), kind) for row in rows], kind)
    fields["categories"] = _lists([pa.array(list(row.categories), pa.string()) for row in rows], pa.string())
    counted = [pa.array(list(row.categories.values()), pa.int64()) for row in rows]
    fields["category_counts"] = _lists(counted, pa.int64())
    whole = ["bins.list.element", "counts.list.element", "category_counts.list.element"]
    encodings = dict.fromkeys(whole, "DELTA_BINARY_PACKED") | {"sums.list.element": "BYTE_STREAM_SPLIT"}
    pq.write_table(pa.table(fields), path, compression="zstd", use_dictionary=False, column_encoding=encodings)


def read_profiles(path: Path, columns: Iterable[str] | None = None) -> dict[str, ColumnProfile]:
    """Read the profiles of a file, or of some columns; DataError if it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        found = {
            name.as_py(): place
            for place, name in enumerate(table["name"])
            if columns is None or name.as_py() in set(columns)
        }
        return {name: _profile(table, place) for name, place in found.items()}
    except (pa.ArrowException, KeyError) as err:
        raise DataError(f"{path.name} holds no profiles of columns: {err}") from err


def _profile(table: pa.Table, place: int) -> ColumnProfile:
    fields = {name: table[name][place].as_py() for name in _PLAIN}
    for name in ("bins", "counts", "sums"):
        fields[name] = table[name][place].values.to_numpy(zero_copy_only=False)
    values, counts = (table[name][place].as_py() for name in ("categories", "category_counts"))
    kind = table["kind"][place].as_py()
    return ColumnProfile(kind=kind, categories=dict(zip(values, counts, strict=True)), **fields)


def _lists(arrays: list[pa.Array], kind: pa.DataType) -> pa.ListArray:
    import numpy as np
    import pyarrow as pa

    offsets = np.cumsum([0, *map(len, arrays)]).astype("int32")
    values = pa.concat_arrays(arrays) if arrays else pa.array([], kind)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
