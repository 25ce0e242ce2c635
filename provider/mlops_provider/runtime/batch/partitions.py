"""Partitions: the rows of a dataset divided by a column or by number, each with the digest of its rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.sql import identifier, literal
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Collection

    import duckdb

    from mlops_provider.refs import DatasetRef

MOST_PARTITIONS = 1_000
MISSING = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, Spark and DuckDB call the partition of the rows without a value."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Some rows: `label` names them as a path would, `digest` stands for their content, `query` gives them in order."""

    label: str
    digest: str
    rows: int
    query: str


def by_rows(data: DatasetRef, size: int, source: str) -> list[Partition]:
    """Divide by number: `source` is the SQL that reads the dataset in its order."""
    _check_count(-(-data.rows // size), "more rows in a partition")
    return [
        Partition(
            label=f"part-{start // size:05d}",
            digest=_digest({"data": data.digest, "start": start, "rows": min(size, data.rows - start)}),
            rows=min(size, data.rows - start),
            query=f"SELECT * FROM {source} LIMIT {size} OFFSET {start}",
        )
        for start in range(0, data.rows, size)
    ]


def by_column(
    connection: duckdb.DuckDBPyConnection, column: str, columns: Collection[str], source: str
) -> list[Partition]:
    """Divide by the values of a column; the digest is that of the partition's rows, in whatever order they come.

    It adds the MD5 of each row's `columns`, so that a partition of a dataset that has grown elsewhere keeps its digest.
    """
    value = f"{identifier(column)}::VARCHAR"
    count = connection.execute(f"SELECT count(DISTINCT {value}) FROM {source}").fetchall()
    _check_count(int(count[0][0]), f"a column with fewer values than '{column}'")
    text = ", ".join(f"coalesce({identifier(name)}::VARCHAR, chr(0))" for name in columns)
    rows = connection.execute(
        f"SELECT value, count(*), sum(md5_number_lower(line)), sum(md5_number_upper(line)) FROM "
        f"(SELECT {value} AS value, concat_ws(chr(31), {text}) AS line FROM {source}) GROUP BY value "
        "ORDER BY value NULLS FIRST"
    ).fetchall()
    return [
        Partition(
            label=f"{quote(column, safe='')}={MISSING if found is None else quote(found, safe='')}",
            digest=_digest({"column": column, "columns": list(columns), "rows": [number, str(lower), str(upper)]}),
            rows=number,
            query=f"SELECT * FROM {source} WHERE {value} IS NOT DISTINCT FROM "
            f"{'NULL' if found is None else literal(found)}",
        )
        for found, number, lower, upper in rows
    ]


def _check_count(count: int, hint: str) -> None:
    if count > MOST_PARTITIONS:
        raise ConfigError(f"that makes {count:,} partitions, at most {MOST_PARTITIONS:,} are kept", hint=f"take {hint}")


def _digest(value: object) -> str:
    return hashlib.sha256(json_bytes(value)).hexdigest()
