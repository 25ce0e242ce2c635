"""The profile of a dataset: schema, counts and distributions of every column, in bounded memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.sql import FLOATS, INTEGERS, columns_of, identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

Profile = dict[str, Any]
"""`rows`, and `columns`: a list of maps with name, type, missing, distinct (estimated), minimum and maximum; numbers
have mean, deviation and quantiles (0.05, 0.25, 0.5, 0.75, 0.95), numbers and times (in seconds since 1970) a histogram
([edges, counts]), all others `top` ([value, count], the most frequent first)."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 20
TOP = 10
AT_ONCE = 100
"""Columns per query: one query over thousands would need as many states at once."""
VALUES_AT_ONCE = 25_000_000
"""Values that exact quantiles hold at once (8 bytes each); columns that are longer have estimated ones."""


def profile(connection: duckdb.DuckDBPyConnection, source: str, *, most_values: int = VALUES_AT_ONCE) -> Profile:
    """Profile what a SQL source gives: two scans for each hundred columns, of long columns for fewer.

    Exact quantiles hold up to `most_values` at once, and at least one column's.
    """
    columns = columns_of(connection, f"SELECT * FROM {source}")
    rows = int((connection.execute(f"SELECT count(*) FROM {source}").fetchone() or (0,))[0])
    exact = rows <= VALUES_AT_ONCE
    size = max(1, min(AT_ONCE, most_values // max(rows, 1))) if exact else AT_ONCE
    found: list[dict[str, Any]] = []
    for names in _chunks(list(columns), size):
        statistics = _statistics(connection, source, {name: columns[name] for name in names}, exact=exact)
        _add_distributions(connection, source, statistics)
        found.extend(statistics)
    return {"rows": rows, "columns": found}


def _chunks(names: list[str], size: int) -> list[list[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


def _statistics(
    connection: duckdb.DuckDBPyConnection, source: str, columns: dict[str, str], *, exact: bool
) -> list[dict[str, Any]]:
    """Give what one scan tells of each column; `span` are the numbers that its histogram goes over."""
    quantile = "quantile_disc" if exact else "approx_quantile"  # the exact one is also twice as quick
    parts = []
    for name, kind in columns.items():
        column, number = identifier(name), _number(name, kind)
        finite = number and not _is_time(kind)
        shown = number if finite else column
        parts += [f"count(*) - count({column})", f"approx_count_distinct({column})"]
        parts += [
            f"min({shown})" if finite else f"min({shown})::VARCHAR",
            f"max({shown})" if finite else f"max({shown})::VARCHAR",
        ]
        parts += (
            [f"avg({number})", f"stddev_samp({number})", f"{quantile}({number}, {list(QUANTILES)})"]
            if finite
            else ["NULL"] * 3
        )
        parts.append(f"[min({number}), max({number})]" if number else "NULL")
    row = connection.execute(f"SELECT {', '.join(parts)} FROM {source}").fetchone() or ()
    keys = ("missing", "distinct", "minimum", "maximum", "mean", "deviation", "quantiles", "span")
    found = []
    for (name, kind), values in zip(columns.items(), _groups(row, len(keys)), strict=True):
        statistics = {key: _plain(value) for key, value in zip(keys, values, strict=True) if value is not None}
        found.append({"name": name, "type": kind, **statistics})
    return found


def _number(name: str, kind: str) -> str:
    """Give the SQL of a column's values as finite numbers, times as seconds since 1970; '' where it has none."""
    column = identifier(name)
    if _is_time(kind):
        return f"epoch({column})"
    if kind in INTEGERS | FLOATS:
        return f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END"
    return ""


def _is_time(kind: str) -> bool:
    return kind.startswith(("TIMESTAMP", "DATE"))


def _add_distributions(connection: duckdb.DuckDBPyConnection, source: str, columns: list[dict[str, Any]]) -> None:
    """Add histograms of numbers and times and the most frequent values of the others."""
    parts, wanted = [], []
    for column in columns:
        low, high = column.pop("span", None) or (None, None)
        if low is not None and high is not None:
            width = (high - low) / BINS or 1.0
            if column["type"] in INTEGERS:
                width = max(math.ceil((high - low + 1) / BINS), 1)
            bins = min(math.floor((high - low) / width) + 1, BINS)
            number = _number(column["name"], column["type"])
            place = f"least({bins - 1}, floor(({number} - {low!r}) / {width!r}))::INT"
            parts.append(f"histogram({place}) FILTER ({number} IS NOT NULL)")
            wanted.append((column, [low + width * i for i in range(bins + 1)]))
        elif column["distinct"]:
            parts.append(f"approx_top_k({identifier(column['name'])}::VARCHAR, {TOP})")
            wanted.append((column, []))
    if not parts:
        return
    row = connection.execute(f"SELECT {', '.join(parts)} FROM {source}").fetchone() or ()
    for (column, edges), value in zip(wanted, row, strict=True):
        if edges:
            counts = dict(value or {})
            column["histogram"] = [edges, [int(counts.get(i, 0)) for i in range(len(edges) - 1)]]
        else:
            column["top"] = _top(connection, source, column["name"], list(value or []))


def _top(connection: duckdb.DuckDBPyConnection, source: str, name: str, values: list[str]) -> list[list[Any]]:
    """Count the most frequent values exactly."""
    column = f"{identifier(name)}::VARCHAR"
    wanted = f"SELECT {column} AS value FROM {source} WHERE {column} IN (SELECT unnest(?))"
    query = f"SELECT value, count(*) AS n FROM ({wanted}) GROUP BY value ORDER BY n DESC, value"
    return [[value, int(count)] for value, count in connection.execute(query, [values]).fetchall()]


def _groups(row: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [row[start : start + size] for start in range(0, len(row), size)]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, int | str) else float(value)
