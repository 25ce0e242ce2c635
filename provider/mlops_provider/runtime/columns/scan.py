"""Profile the columns of a SQL source: one streaming GROUP BY for each, some columns at once, in bounded memory.

The bin of y is found without looking at bits: with c = (2^43 + 1) * y, the double c - (c - y) is y rounded to 10
significant bits (Veltkamp, 1968; Dekker, A floating-point technique for extending the available precision, 1971).
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.columns.profile import BIN_BITS, MOST_CATEGORIES, ColumnProfile, capped
from mlops_provider.runtime.sql import FLOATS, INTEGERS, columns_of, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import numpy as np

    from mlops_provider.runtime.columns.profile import Kind

    Array = np.ndarray[Any, Any]

MOST_THREADS = 4
CENTRE_ROWS = 10_000
_SPLIT = f"{2**BIN_BITS + 1}::DOUBLE"
_WORDS = r"'[\p{L}\p{N}_]+'"
_NUMBERS = INTEGERS | FLOATS | {"BOOLEAN"}


def profile_columns(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    kinds: Mapping[str, Kind],
    centres: Mapping[str, float] | None = None,
) -> dict[str, ColumnProfile]:
    """Profile the columns named in `kinds` of a table, a file or a query in brackets; those that it lacks are left out.

    Without `centres` they are the source's own. Every sum is added up in the order of the rows by one thread, so that
    the same rows give the same profile; several columns are read at once. A query that is costly to evaluate should be
    written to a file before: it is evaluated once for each column.
    """
    types = columns_of(connection, f"SELECT * FROM {source}")
    present = {name: kind for name, kind in kinds.items() if name in types}
    threads = int((connection.execute("SELECT current_setting('threads')").fetchone() or (1,))[0])
    connection.execute("SET threads = 1")
    try:
        rows = int((connection.execute(f"SELECT count(*) FROM {source}").fetchone() or (0,))[0])
        if centres is None:
            centres = centres_of(connection, source, present)
        columns = [
            _Column(source, rows, identifier(name), types[name], kind, float(centres.get(name, 0.0)))
            for name, kind in present.items()
        ]
        return dict(zip(present, _profiled(connection, source, columns, threads), strict=True))
    finally:
        connection.execute(f"SET threads = {threads}")


def centres_of(connection: duckdb.DuckDBPyConnection, source: str, kinds: Mapping[str, Kind]) -> dict[str, float]:
    """Give the median of the first values of each column that is measured in numbers; 0 of none.

    A centre that is far from the values makes bins wider, and costs the deviation digits.
    """
    types = columns_of(connection, f"SELECT * FROM {source}")
    numbers = {
        name: _number(identifier(name), types[name], kind)
        for name, kind in kinds.items()
        if kind in {"number", "time", "text"} and name in types
    }
    if not numbers:
        return {}
    medians = ", ".join(f"quantile_disc({number}, 0.5) FILTER (isfinite({number}))" for number in numbers.values())
    columns = ", ".join(map(identifier, numbers))
    head = f"(SELECT {columns} FROM {source} LIMIT {CENTRE_ROWS})"
    found = dict(zip(numbers, connection.execute(f"SELECT {medians} FROM {head}").fetchone() or (), strict=True))
    for name in [name for name, value in found.items() if value is None]:  # the first rows have none
        number = numbers[name]
        values = f"(SELECT {number} AS x FROM {source} WHERE isfinite({number}) LIMIT {CENTRE_ROWS})"
        found[name] = (connection.execute(f"SELECT quantile_disc(x, 0.5) FROM {values}").fetchone() or (None,))[0]
    return {name: 0.0 if value is None else float(value) for name, value in found.items()}


def _profiled(
    connection: duckdb.DuckDBPyConnection, source: str, columns: list[_Column], threads: int
) -> list[ColumnProfile]:
    workers = min(threads, MOST_THREADS, len(columns))
    if workers <= 1 or not _visible(connection, source):
        return [column.profile(connection) for column in columns]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda column: column.profile(connection.cursor()), columns))


def _visible(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Say whether a second cursor sees the source: what is registered is its connection's own."""
    import duckdb

    try:
        connection.cursor().execute(f"DESCRIBE SELECT * FROM {source}")
    except duckdb.CatalogException:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a source: its quoted name, DuckDB's type, and as what it is profiled."""

    source: str
    rows: int
    name: str
    type: str
    kind: Kind
    centre: float

    def profile(self, connection: duckdb.DuckDBPyConnection) -> ColumnProfile:
        if self.kind in {"category", "boolean"}:
            return self._categories(connection)
        fields = self._numbers(connection)
        if self.kind == "text":
            fields |= self._words(connection)
        return ColumnProfile(kind=self.kind, rows=self.rows, centre=self.centre, **fields)

    def _numbers(self, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        import numpy as np

        number = _number(self.name, self.type, self.kind)
        y = f"{number} - {literal(repr(self.centre))}::DOUBLE"
        binned = f"y * {_SPLIT} - (y * {_SPLIT} - y)"
        query = (
            f"SELECT {binned} AS bin, count(*) AS n, sum(y) AS total, sum(y * y) AS squares "
            f"FROM (SELECT {y} AS y FROM {self.source}) GROUP BY bin"
        )
        found = connection.execute(query).fetchnumpy()
        edges = np.ma.filled(found["bin"].astype("float64"), np.nan)
        absent = np.ma.getmaskarray(found["bin"])
        odd = np.isnan(edges) & ~absent
        fields: dict[str, Any] = {"missing": int(found["n"][absent].sum())}
        if fields["missing"] and number != self.name:
            fields |= self._lost(connection, number)
        condition = ""
        if odd.any():
            nans = f"SELECT count(*) FROM {self.source} WHERE isnan({number})"
            missing = int((connection.execute(nans).fetchone() or (0,))[0])
            fields["missing"] += missing
            fields["infinite"] = int(found["n"][odd].sum()) - missing
            condition = f" WHERE isfinite(({y}) * {_SPLIT})"
        span = connection.execute(f"SELECT min({number}), max({number}) FROM {self.source}{condition}").fetchone()
        low, high = span or (None, None)
        counted = ~np.isnan(edges)
        parts = [np.asarray(found[name][counted]) for name in ("n", "total", "squares")]
        return (
            fields
            | _sorted_bins(edges[counted], *parts)
            | {
                "minimum": math.nan if low is None else float(low),
                "maximum": math.nan if high is None else float(high),
            }
        )

    def _lost(self, connection: duckdb.DuckDBPyConnection, number: str) -> dict[str, int]:
        """Tell values that are missing from those that are no numbers."""
        query = f"SELECT count(*) - count({self.name}), count({self.name}) - count({number}) FROM {self.source}"
        missing, wrong = connection.execute(query).fetchone() or (0, 0)
        return {"missing": int(missing), "wrong": int(wrong)}

    def _categories(self, connection: duckdb.DuckDBPyConnection) -> ColumnProfile:
        value = self.name if self.type in _NUMBERS | {"VARCHAR"} else f"{self.name}::VARCHAR"
        query = (
            f"SELECT {value} AS value, count(*) AS n FROM {self.source} GROUP BY value "
            f"ORDER BY value IS NULL DESC, n DESC, value LIMIT {MOST_CATEGORIES + 1}"
        )
        missing, counts = 0, dict[str, int]()
        for found, count in connection.execute(query).fetchall():
            if found is None or (isinstance(found, float) and math.isnan(found)):
                missing += count
            else:
                text = as_category(found, self.kind)
                counts[text] = counts.get(text, 0) + count
        other = self.rows - missing - sum(counts.values())
        categories, rare = capped(counts)
        return ColumnProfile(kind=self.kind, rows=self.rows, missing=missing, categories=categories, other=other + rare)

    def _words(self, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        words = f"regexp_extract_all(lower({self.name}::VARCHAR), {_WORDS})"
        every = f"SELECT sum(len({words})) FROM {self.source}"
        total = int((connection.execute(every).fetchone() or (0,))[0] or 0)
        query = (
            f"SELECT word, count(*) AS n FROM (SELECT unnest({words}) AS word FROM {self.source}) GROUP BY word "
            f"ORDER BY n DESC, word LIMIT {MOST_CATEGORIES}"
        )
        counts = dict(connection.execute(query).fetchall())
        return {"categories": counts, "other": total - sum(counts.values())}


def _sorted_bins(edges: Array, counts: Array, sums: Array, squares: Array) -> dict[str, Any]:
    """Give the bins in their order; doubles too small for a bin of their own share the one at the centre."""
    import numpy as np

    keys = np.abs(edges).view("int64") >> BIN_BITS
    keys = np.where(edges < 0, -keys, keys).astype("int32")
    order = np.lexsort((edges, keys))
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=np.int64(-(2**40))))
    if not len(first):
        return {}
    return {
        "bins": keys[first],
        "counts": np.add.reduceat(counts.astype("int64")[order], first),
        "sums": np.add.reduceat(sums.astype("float64")[order], first),
        "squares": float(squares.astype("float64")[order].sum()),
    }


def as_category(value: Any, kind: Kind = "category") -> str:
    """Give a value as the name of its category: 3, 3.0 and '3' are one, so are True and 'true' of booleans."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if not isinstance(value, str | int):
        number = float(value)
        text = str(int(number)) if number.is_integer() else str(number)
    if kind == "boolean":
        return {"1": "true", "0": "false"}.get(text, text.lower())
    return text


def _number(name: str, kind: str, wanted: Kind) -> str:
    """Give the SQL of a column's values as doubles, NULL where they are none."""
    if wanted == "text":
        return f"length({name}::VARCHAR)::DOUBLE"
    if wanted == "time":
        if kind.startswith(("TIMESTAMP", "DATE")):
            return f"CASE WHEN isfinite({name}) THEN epoch({name}) END"
        return f"epoch(TRY_CAST({name} AS TIMESTAMPTZ))" if kind == "VARCHAR" else "NULL::DOUBLE"
    if kind == "DOUBLE":
        return name
    return f"{name}::DOUBLE" if kind in _NUMBERS else f"TRY_CAST({name}::VARCHAR AS DOUBLE)"
