"""Rules on a whole dataset: conditions on its statistics, SQL, freshness."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.sql import FLOATS, INTEGERS, closed, identifier, require_columns, said
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import Rule

SHOWN_ROWS = 20
Samples = dict[str, list[dict[str, Any]]]
"""Rule -> some of the rows that break it."""


def judge_rule(
    connection: duckdb.DuckDBPyConnection, rule: Rule, statistics: dict[str, Any], samples: Samples
) -> RuleResult:
    """Judge an expression, a query or a freshness over the view `data`."""
    if rule.expression:
        return _judge_expression(rule, rule.expression, statistics)
    if rule.sql:
        return _judge_sql(connection, rule, closed(rule.sql), samples)
    return _judge_freshness(connection, rule)


def statistics_of(connection: duckdb.DuckDBPyConnection, columns: dict[str, str], rules: list[Rule]) -> dict[str, Any]:
    """Give row_count and, for the columns that rules name, their statistics; one scan."""
    names = {name for rule in rules if rule.expression for name in Expression.parse(rule.expression).names()}
    wanted = sorted({name.split(".")[1] for name in names if name.startswith("columns.")})
    require_columns(columns, wanted, "the data")
    parts = ["count(*)"]
    for name in wanted:
        column = identifier(name)
        number = column if columns[name] in INTEGERS | FLOATS else "NULL"
        parts += [f"avg(({column} IS NULL)::INT)", f"count(DISTINCT {column})"]
        parts += [f"{function}({number}::DOUBLE)" for function in ("avg", "min", "max", "stddev_samp")]
    row = list(connection.execute(f"SELECT {', '.join(parts)} FROM data").fetchone() or [0])
    keys = ("null_share", "distinct", "mean", "minimum", "maximum", "deviation")
    return {
        "row_count": row[0],
        "columns": {
            name: dict(zip(keys, row[1 + i * len(keys) : 1 + (i + 1) * len(keys)], strict=True))
            for i, name in enumerate(wanted)
        },
    }


def failing_rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Give the first 20 rows of a query, as JSON has them."""
    found = connection.execute(f"SELECT * FROM ({query}) LIMIT {SHOWN_ROWS}")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in found.fetchall()]


def _judge_expression(rule: Rule, text: str, statistics: dict[str, Any]) -> RuleResult:
    expression = Expression.parse(text)
    values = {key: expression.look_up(key, statistics) for key in expression.names()}
    holds = bool(expression.evaluate(statistics))
    seen = ", ".join(f"{key} = {value:g}" for key, value in values.items())
    why = f"{seen}: {rule.message or text} {'holds' if holds else 'does not hold'}"
    return RuleResult(rule=rule.name or text, result=_result(rule, holds=holds), why=why, values=values)


def _judge_sql(connection: duckdb.DuckDBPyConnection, rule: Rule, query: str, samples: Samples) -> RuleResult:
    import duckdb

    name = rule.name or rule.sql or ""
    try:
        counted = connection.execute(f"SELECT count(*) FROM ({query})").fetchone() or (0,)
    except duckdb.Error as err:
        raise ConfigError(f"rule '{name}' is not valid SQL: {said(err)}") from err
    count = int(counted[0])
    why = f"{rule.message or name}: {count:,} rows break it" if count else "no row breaks it"
    if count:
        samples[name] = failing_rows(connection, query)
    return RuleResult(rule=name, result=_result(rule, holds=count == 0), why=why, values={"count": count})


def _judge_freshness(connection: duckdb.DuckDBPyConnection, rule: Rule) -> RuleResult:
    import duckdb

    fresh: Any = rule.freshness
    name = rule.name or f"freshness of {fresh.column}"
    moment = f"max({identifier(fresh.column)}::TIMESTAMPTZ)"
    try:
        found = connection.execute(f"SELECT epoch({moment}), {moment}::VARCHAR FROM data").fetchone() or (None, "")
    except duckdb.Error as err:
        raise ConfigError(f"rule '{name}' does not fit the column: {said(err)}") from err
    if found[0] is None:
        return RuleResult(rule=name, result=_result(rule, holds=False), why=f"{fresh.column} holds no time at all")
    age = datetime.now(UTC).timestamp() - found[0]
    holds = age <= fresh.within.total_seconds()
    why = f"the latest row is of {found[1]}, {_span(age)} ago; the limit is {_span(fresh.within.total_seconds())}"
    why = why if holds or not rule.message else f"{rule.message}: {why}"
    return RuleResult(rule=name, result=_result(rule, holds=holds), why=why, values={"age_seconds": age})


def _result(rule: Rule, *, holds: bool) -> Result:
    return "passed" if holds else "failed" if rule.severity == "fail" else "warned"


def _span(seconds: float) -> str:
    """Give a span as people say it: 3 days, 5 hours, 90 seconds."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _plain(value: Any) -> Any:
    """Give a value that JSON has: NaN and infinity become text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
