"""Tables: datasets of the store seen through DuckDB, streamed and out of core."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.refs import DatasetRef
from mlops_provider.store.frame import read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import duckdb
    import pandas as pd

    from mlops_provider.store.store import Store

INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
FLOATS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})


@contextmanager
def connect(spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB that spills to a folder and may not load extensions or reach the network by itself."""
    import duckdb

    config: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    if spill:
        config["temp_directory"] = str(spill)
    connection = duckdb.connect(config=config)
    try:
        yield connection
    finally:
        connection.close()


def identifier(name: str) -> str:
    """Quote a column or table name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string."""
    return "'" + text.replace("'", "''") + "'"


def closed(query: str) -> str:
    """Give a user's query so that it may stand in brackets: without its semicolon, a last comment ended."""
    return query.strip().rstrip(";") + "\n"


def scan(store: Store, ref: DatasetRef) -> str:
    """Give the SQL that reads a dataset, in its row order."""
    files = store.open(ref).files(".parquet")
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}])"


def columns_of(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    """Give the columns of a query with DuckDB's types."""
    rows = connection.execute(f"DESCRIBE {query}").fetchall()
    return {row[0]: row[1].partition("(")[0] for row in rows}


def write_dataset(
    store: Store,
    workflow: str,
    connection: duckdb.DuckDBPyConnection,
    query: str,
    *,
    lineage: Mapping[str, Any],
    empty: str = "",
) -> DatasetRef:
    """Publish the rows of a query as a dataset; `empty` is the DataError's sentence when there are none."""
    with store.scratch() as folder:
        target = literal(str(folder / "part-00000.parquet"))
        written = connection.execute(f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd)").fetchone()
        rows = int(written[0]) if written else 0
        if rows == 0 and empty:
            raise DataError(empty)
        columns = columns_of(connection, f"SELECT * FROM read_parquet({target})")
        meta = {
            "rows": rows,
            "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
            "lineage": dict(lineage),
        }
        published = store.publish(workflow, "datasets", folder, meta)
    return DatasetRef(uri=published.uri, digest=published.digest, rows=rows)


def read_frame(store: Store, ref: DatasetRef, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Read a dataset, or some of its columns, into memory."""
    import pandas as pd

    wanted = list(columns) if columns is not None else None
    frames = [read_parquet(file, wanted) for file in store.open(ref).files(".parquet")]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def said(err: Exception) -> str:
    """Give the sentence of DuckDB's message, without its excerpts and advice."""
    text = " ".join(str(err).split())
    return re.split(r" (?:LINE \d+:|Possible (?:[Ss]olutions?|fixes):|Column \S+ is being converted|\* )", text)[0][
        :400
    ]


def require_columns(found: Iterable[str], wanted: Iterable[str], where: str) -> None:
    """Raise DataError that names the columns that are missing."""
    found = list(found)
    missing = [name for name in wanted if name not in found]
    if missing:
        shown = ", ".join(found[:20]) + (" …" if len(found) > 20 else "")  # noqa: PLR2004 (enough to recognise)
        raise DataError(f"{where} has no column {', '.join(repr(name) for name in missing)}", hint=f"it has: {shown}")
