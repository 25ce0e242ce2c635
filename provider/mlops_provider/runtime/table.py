"""Tables: datasets of the store seen through DuckDB, streamed and out of core."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.sql import columns_of, identifier, literal
from mlops_provider.runtime.view import ROW, VIEW_FILE, View
from mlops_provider.store.frame import read_parquet, to_frame
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import duckdb
    import pandas as pd

    from mlops_provider.store.store import Store

MEMORY = "MLOPS_ENGINE_MEMORY"
"""Environment variable: the memory that DuckDB may use before it spills to disk, as 1GB or 16GB."""
DEFAULT_MEMORY = "1GB"


@contextmanager
def connect(spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB that spills to a folder and may not load extensions or reach the network by itself."""
    import duckdb

    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": os.environ.get(MEMORY, DEFAULT_MEMORY),
    }
    if spill:
        config["temp_directory"] = str(spill)
    connection = duckdb.connect(config=config)
    try:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")  # what a moment is written as is not this machine's to say
        yield connection
    finally:
        connection.close()


def confine(connection: duckdb.DuckDBPyConnection, store: Store, refs: Iterable[DatasetRef]) -> None:
    """Let the SQL of a workflow file read nothing but some datasets: no other files, network or variables of ours."""
    files = ", ".join(literal(str(file)) for ref in refs for file in _files(store, ref))
    connection.execute(f"SET allowed_paths = [{files}]")
    connection.execute(f"SET allowed_directories = [{literal(f'{store.scratch_root}/')}]")
    seal(connection)


def seal(connection: duckdb.DuckDBPyConnection) -> None:
    """Let SQL read nothing but what is registered or was allowed before."""
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _files(store: Store, ref: DatasetRef) -> list[Path]:
    """Give the Parquet files that hold the rows of a dataset, of a view those of its members."""
    content = store.open(ref)
    view = View.of_content(content, store.url)
    return [file for each in view.of for file in _files(store, each)] if view else content.files(".parquet")


def scan(store: Store, ref: DatasetRef, *, numbered: bool = False) -> str:
    """Give the SQL that reads a dataset, in its row order; `numbered` adds the column `mlops_row`."""
    content = store.open(ref)
    view = View.of_content(content, store.url)
    if view is not None:
        whole = _joined(store, view.of)
        columns = "*" if numbered else f"* EXCLUDE ({ROW})"
        condition = f" WHERE {view.rule.condition()}" if view.rule else ""
        return f"(SELECT {columns} FROM {whole}{condition})"
    files = [literal(str(file)) for file in content.files(".parquet")]
    if not numbered:
        return f"read_parquet([{', '.join(files)}])"
    number = f"file_row_number AS {ROW}"
    return f"(SELECT * EXCLUDE (file_row_number), {number} FROM read_parquet({files[0]}, file_row_number = true))"


def _joined(store: Store, refs: Iterable[DatasetRef]) -> str:
    """Give the SQL of datasets one after another, each row with its number."""
    parts, offset = [], 0
    for ref in refs:
        number = f"{ROW} + {offset}" if offset else ROW
        parts.append(f"SELECT * REPLACE ({number} AS {ROW}) FROM {scan(store, ref, numbered=True)}")
        offset += _span(store, ref)
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _span(store: Store, ref: DatasetRef) -> int:
    """Give the number below which the numbers of all rows lie."""
    view = View.of_content(store.open(ref), store.url)
    return sum(_span(store, each) for each in view.of) if view else ref.rows


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
        return publish_table(store, workflow, connection, folder, rows, lineage)


def publish_table(
    store: Store,
    workflow: str,
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    rows: int,
    lineage: Mapping[str, Any],
) -> DatasetRef:
    """Publish the file `part-00000.parquet` of a scratch folder, whose rows were counted, as a dataset."""
    file = literal(str(folder / "part-00000.parquet"))
    columns = columns_of(connection, f"SELECT * FROM read_parquet({file})")
    return _publish(store, workflow, folder, rows, columns, lineage)


def write_view(
    store: Store, workflow: str, view: View, rows: int, columns: Mapping[str, str], lineage: Mapping[str, Any]
) -> DatasetRef:
    """Publish a view as a dataset; its rows were counted and its columns (name -> DuckDB type) are known."""
    with store.scratch() as folder:
        (folder / VIEW_FILE).write_bytes(json_bytes(view.to_json(store.url)))
        return _publish(store, workflow, folder, rows, columns, lineage)


def _publish(
    store: Store, workflow: str, folder: Path, rows: int, columns: Mapping[str, str], lineage: Mapping[str, Any]
) -> DatasetRef:
    meta = {
        "rows": rows,
        "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
        "lineage": dict(lineage),
    }
    published = store.publish(workflow, "datasets", folder, meta)
    return DatasetRef(uri=published.uri, digest=published.digest, rows=rows)


def read_frame(store: Store, ref: DatasetRef, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Read a dataset, or some of its columns, into memory."""
    wanted = list(columns) if columns is not None else None
    content = store.open(ref)
    if VIEW_FILE not in content.manifest["files"]:
        return read_parquet(content.files(".parquet")[0], wanted)
    names = ", ".join(map(identifier, wanted)) if wanted is not None else "*"
    with connect() as connection:
        return to_frame(connection.sql(f"SELECT {names} FROM {scan(store, ref)}").to_arrow_table())
