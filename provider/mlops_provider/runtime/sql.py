"""SQL text: names, values and a user's query quoted; what DuckDB says of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
FLOATS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})


def identifier(name: str) -> str:
    """Quote a column or table name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string."""
    return "'" + text.replace("'", "''") + "'"


def closed(query: str) -> str:
    """Give a user's query so that it may stand in brackets: without its semicolon, a last comment ended."""
    return query.strip().rstrip(";") + "\n"


def columns_of(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    """Give the columns of a query with DuckDB's types."""
    rows = connection.execute(f"DESCRIBE {query}").fetchall()
    return {row[0]: row[1].partition("(")[0] for row in rows}


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
