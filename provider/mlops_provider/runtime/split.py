"""Phase `split`: divide a dataset; the same input gives the same parts, whatever the machine, and no row is copied."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.refs import DatasetRef, Ref
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.leakage import refuse_leaks
from mlops_provider.runtime.sql import columns_of, identifier, require_columns
from mlops_provider.runtime.table import connect, scan, write_view
from mlops_provider.runtime.view import HASH_BITS, ROW, Range, Rule, View

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import SplitSpec

MOST_STRATA = 200
_NUMBERS = {"random": "random", "order": "row", "time": "key", "hash": "hash", "group": "hash"}
_LATEST_LAST = frozenset({"row", "key"})


def run(config: SplitSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Number the rows, cut at the shares, and publish each part as a view: the latest or the lowest numbers test."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store = context.store()
    with store.scratch() as spill, connect(spill) as connection:
        columns = columns_of(connection, f"SELECT * FROM {scan(store, data)}")
        wanted = [*config.keys, *([config.stratify] if config.stratify else [])]
        require_columns(columns, wanted, f"dataset {data.digest[:8]}")
        source = scan(store, data, numbered=True)
        if config.by in {"hash", "group", "time"}:
            _refuse_missing(connection, source, config.keys)
        rules = _rules(connection, config, source, columns)
        sizes = _sizes(connection, rules)
        for name, rows in sizes.items():
            if rows == 0:
                few = f"{data.rows} rows are too few to split by {config.by}{_why(config)}"
                raise DataError(f"the part '{name}' would be empty: {few}")
        chosen = f"SELECT * EXCLUDE ({ROW}) FROM {source}"
        parts = {name: f"({chosen} WHERE {rule.condition()})" for name, rule in rules.items()}
        refuse_leaks(connection, config.leakage, parts, columns)
        outputs: dict[str, Ref] = {}
        for name, rule in rules.items():
            lineage = {"data": data.digest, "part": name, "identity": context.identity}
            view = View((data,), rule)
            outputs[name] = write_view(store, context.workflow, view, sizes[name], columns, lineage)
    summary = ", ".join(f"{name} {rows:,}" for name, rows in sizes.items()) + f" rows, by {config.by}."
    return Outcome(outputs=outputs, metrics={f"{name}_rows": rows for name, rows in sizes.items()}, summary=summary)


def _rules(
    connection: duckdb.DuckDBPyConnection, config: SplitSpec, source: str, columns: dict[str, str]
) -> dict[str, Rule]:
    """Give the rule of each part; the rows' numbers stay behind in the table `numbers`."""
    number: Any = _NUMBERS[config.by]
    keys = tuple(config.keys) if number in {"hash", "key"} else ()
    rule = Rule(number, (), keys, tuple(columns[key] for key in keys), config.seed, config.stratify or "")
    values = [f"{rule.sql_stratum()} AS stratum", *map("{} AS {}".format, rule.sql_number(), _names(rule))]
    connection.execute(f"CREATE TEMP TABLE numbers AS SELECT {', '.join(values)} FROM {source}")
    shares = [config.test, config.test + config.validation]
    if number == "hash":
        cuts: dict[str | None, list[Any]] = {None: [[math.floor(share * 2**HASH_BITS) - 1] for share in shares]}
    else:
        cuts = _cuts(connection, rule, shares)
    names = ("train", "validation", "test") if number in _LATEST_LAST else ("test", "validation", "train")
    ranges: dict[str, list[Range]] = {name: [] for name in names if name != "validation" or config.validation}
    for value, (first, second) in cuts.items():
        for name, (above, upto) in zip(names, ((None, first), (first, second), (second, None)), strict=True):
            if name in ranges:
                ranges[name].append(Range(above, upto, value))
    return {
        name: replace(rule, ranges=tuple(ranges[name])) for name in ("train", "test", "validation") if name in ranges
    }


def _cuts(connection: duckdb.DuckDBPyConnection, rule: Rule, shares: list[float]) -> dict[str | None, list[Any]]:
    """Give for each stratum the numbers of the last row of the first and of the second part."""
    counts = connection.execute("SELECT stratum, count(*) FROM numbers GROUP BY stratum ORDER BY stratum").fetchall()
    if len(counts) > MOST_STRATA:
        raise DataError(
            f"column {rule.stratum} has {len(counts):,} different values, and each value of {rule.stratum} is divided "
            "for itself",
            hint=f"stratify by a column with at most {MOST_STRATA}",
        )
    cuts: dict[str | None, list[Any]] = {}
    for stratum, rows in counts:
        if rule.number in _LATEST_LAST:
            lasts = [math.floor(rows * (1 - share) + 0.5) for share in reversed(shares)]
        else:
            lasts = [math.ceil(rows * share + 0.5) - 1 for share in shares]
        cuts[stratum] = [_number(connection, rule, stratum, last) for last in lasts]
    return cuts


def _names(rule: Rule) -> list[str]:
    return [f"number_{index}" for index in range(len(rule.sql_number()))]


def _number(connection: duckdb.DuckDBPyConnection, rule: Rule, stratum: str | None, place: int) -> list[Any]:
    """Give the number at a place, counted from 1, in the order of the numbers; for 0 one below all where there is."""
    if place == 0 and rule.number != "key":
        return [-1]
    names = _names(rule)
    texts = ", ".join(f"{name}::VARCHAR" for name in names) if rule.number == "key" else names[0]
    ordered = f"FROM numbers WHERE stratum IS NOT DISTINCT FROM ? ORDER BY {', '.join(names)} LIMIT 1 OFFSET ?"
    return list(connection.execute(f"SELECT {texts} {ordered}", [stratum, max(place, 1) - 1]).fetchone() or ())


def _sizes(connection: duckdb.DuckDBPyConnection, rules: dict[str, Rule]) -> dict[str, int]:
    """Count the rows of each part."""
    counts = ", ".join(f"count(*) FILTER ({rule.condition(_names(rule), 'stratum')})" for rule in rules.values())
    found = connection.execute(f"SELECT {counts} FROM numbers").fetchone() or ()
    return dict(zip(rules, map(int, found), strict=True))


def _refuse_missing(connection: duckdb.DuckDBPyConnection, source: str, keys: list[str]) -> None:
    """Raise DataError when a row has no key: it belongs to no part."""
    condition = " OR ".join(f"{identifier(key)} IS NULL" for key in keys)
    missing = (connection.execute(f"SELECT count(*) FROM {source} WHERE {condition}").fetchone() or (0,))[0]
    if missing:
        raise DataError(
            f"{missing} rows have no place: column {', '.join(keys)} holds missing values",
            hint="drop them with a transform, or split by other keys",
        )


def _why(config: SplitSpec) -> str:
    if config.by in {"hash", "group", "time"}:
        return f", since rows with the same {', '.join(config.keys)} stay together"
    return f", since each value of {config.stratify} is divided for itself" if config.stratify else ""
