"""Leaks between the parts of a split: what the model would know of the rows that judge it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.sql import identifier, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from mlops_dag_factory.spec.data import LeakageSpec

_SHOWN = 5


def refuse_leaks(
    connection: duckdb.DuckDBPyConnection,
    wanted: LeakageSpec | None,
    parts: Mapping[str, str],
    columns: Mapping[str, str],
) -> None:
    """Raise DataError for the first leak; `parts` are the parts' SQL by name, `columns` their columns."""
    if wanted is None:
        return
    require_columns(columns, [*wanted.keys, *([wanted.timestamp] if wanted.timestamp else [])], "the data")
    for one, other in combinations(parts, 2):
        if wanted.keys:
            _refuse_shared_keys(connection, wanted.keys, (one, parts[one]), (other, parts[other]))
        if wanted.rows:
            _refuse_shared_rows(connection, (one, parts[one]), (other, parts[other]))
    if wanted.timestamp:
        for name in parts.keys() - {"train"}:
            _refuse_future(connection, wanted.timestamp, parts["train"], (name, parts[name]))


def _refuse_shared_keys(
    connection: duckdb.DuckDBPyConnection, keys: list[str], one: tuple[str, str], other: tuple[str, str]
) -> None:
    names = ", ".join(map(identifier, keys))
    shared = f"SELECT {names} FROM {one[1]} INTERSECT SELECT {names} FROM {other[1]}"
    count = _count(connection, shared)
    if count:
        shown = connection.execute(f"{shared} ORDER BY ALL LIMIT {_SHOWN}").fetchall()
        examples = "; ".join(", ".join(map(str, row)) for row in shown)
        raise DataError(
            f"{count:,} values of {', '.join(keys)} are in '{one[0]}' and in '{other[0]}': {examples}"
            + ("; …" if count > _SHOWN else ""),
            hint=f"keep their rows together: by: group, keys: [{', '.join(keys)}]",
        )


def _refuse_shared_rows(connection: duckdb.DuckDBPyConnection, one: tuple[str, str], other: tuple[str, str]) -> None:
    count = _count(
        connection,
        f"SELECT hash(part) FROM {one[1]} AS part INTERSECT SELECT hash(part) FROM {other[1]} AS part",
    )
    if count:
        raise DataError(
            f"{count:,} rows are in '{one[0]}' and, equal in every column, in '{other[0]}'",
            hint="drop repeated rows (ingest with deduplicate: true), or split by group",
        )


def _refuse_future(connection: duckdb.DuckDBPyConnection, column: str, train: str, other: tuple[str, str]) -> None:
    name = identifier(column)
    first = f"(SELECT min({name}) FROM {other[1]})"
    late = connection.execute(
        f"SELECT count(*), max({name})::VARCHAR, {first}::VARCHAR FROM {train} WHERE {name} > {first}"
    ).fetchone()
    if late and late[0]:
        raise DataError(
            f"{late[0]:,} rows of 'train' are later than the first row of '{other[0]}' ({column} up to {late[1]}, "
            f"'{other[0]}' starts at {late[2]})",
            hint=f"split by: time, keys: [{column}]",
        )


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int((connection.execute(f"SELECT count(*) FROM ({query})").fetchone() or (0,))[0])
