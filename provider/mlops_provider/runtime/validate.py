"""Phase `validate`: the data evaluation checkpoint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.expressions import Expression
from mlops_provider.refs import DatasetRef, ReportRef
from mlops_provider.runtime.column_rules import column_conditions
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.sql import FLOATS, INTEGERS, closed, columns_of, identifier, require_columns, said
from mlops_provider.runtime.table import connect, scan
from mlops_provider.store.store import json_bytes
from mlops_provider.verdicts import Result, RuleResult, Verdict

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import Rule, ValidateSpec

SHOWN_ROWS = 20


def run(config: ValidateSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Judge every rule, publish a report with rows that fail, hand the dataset on unchanged."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store = context.store()
    samples: dict[str, list[dict[str, Any]]] = {}
    with store.scratch() as spill, connect(spill) as connection:
        connection.execute(f"CREATE VIEW data AS SELECT * FROM {scan(store, data)}")
        columns = columns_of(connection, "SELECT * FROM data")
        require_columns(columns, config.columns, "the data")
        rules = [*_judge_columns(connection, config, columns, samples)]
        statistics = _statistics(connection, columns, config.rules)
        rules += [_judge_rule(connection, rule, statistics, samples) for rule in config.rules]
        if data.rows == 0:
            rules.append(RuleResult(rule="row_count > 0", result="failed", why="the data has no rows"))
    verdict = Verdict.of(rules)
    summary = f"{data.rows:,} rows, {len(columns)} columns, {len(rules)} rules.\n\n{verdict.to_markdown()}"
    with store.scratch() as folder:
        content = {"rows": data.rows, "columns": columns, "verdict": verdict.to_dict(), "failing_rows": samples}
        (folder / "report.json").write_bytes(json_bytes(content))
        (folder / "report.md").write_text(f"# {context.workflow}: {context.phase}\n\n{summary}")
        meta = {"lineage": {"data": data.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    report = ReportRef(uri=published.uri, digest=published.digest)
    failed = float(sum(rule.result == "failed" for rule in rules))
    metrics = {"rows": float(data.rows), "rules": float(len(rules)), "failed_rules": failed}
    return Outcome(outputs={"data": data, "report": report}, metrics=metrics, verdict=verdict, summary=summary)


def _judge_columns(
    connection: duckdb.DuckDBPyConnection,
    config: ValidateSpec,
    columns: dict[str, str],
    samples: dict[str, list[dict[str, Any]]],
) -> list[RuleResult]:
    """Count what breaks each column's rules, all in one scan."""
    conditions = [
        (f"{name}: {title}", severity, sql)
        for name, rule in config.columns.items()
        for title, severity, sql in column_conditions(name, rule, columns[name])
    ]
    unique = [name for name, rule in config.columns.items() if rule.unique]
    results = []
    for (title, severity, sql), count in zip(conditions, _counts(connection, conditions), strict=True):
        results.append(_counted(title, severity, int(count)))
        if count:
            samples[title] = _rows(connection, f"SELECT * FROM data WHERE {sql}")
    for name in unique:
        column = identifier(name)
        repeated = f"SELECT {column} FROM data WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) > 1"
        twice = connection.execute(f"SELECT count(*) FROM ({repeated})").fetchone() or (0,)
        title = f"{name}: unique"
        results.append(
            _counted(title, config.columns[name].severity, int(twice[0]), what="values occur more than once")
        )
        if twice[0]:
            samples[title] = _rows(connection, repeated)
    return results


def _counts(connection: duckdb.DuckDBPyConnection, conditions: list[tuple[str, str, str]]) -> list[int]:
    """Count the rows that meet each condition in one scan; ConfigError names the one that does not fit its column."""
    import duckdb

    counts = [f"count(*) FILTER ({sql})" for _, _, sql in conditions]
    if not counts:
        return []
    try:
        return list(connection.execute(f"SELECT {', '.join(counts)} FROM data").fetchone() or ())
    except duckdb.Error:
        for (title, _, _), count in zip(conditions, counts, strict=True):
            try:
                connection.execute(f"SELECT {count} FROM data")
            except duckdb.Error as err:
                raise ConfigError(f"rule '{title}' does not fit the column: {said(err)}") from err
        raise


def _counted(title: str, severity: str, count: int, what: str = "rows break it") -> RuleResult:
    if count == 0:
        return RuleResult(rule=title, result="passed", why="holds in every row")
    result: Result = "failed" if severity == "fail" else "warned"
    return RuleResult(rule=title, result=result, why=f"{title}: {count:,} {what}", values={"count": count})


def _judge_rule(
    connection: duckdb.DuckDBPyConnection,
    rule: Rule,
    statistics: dict[str, Any],
    samples: dict[str, list[dict[str, Any]]],
) -> RuleResult:
    import duckdb

    name = rule.name or rule.expression or rule.sql or ""
    if rule.expression:
        expression = Expression.parse(rule.expression)
        values = {key: expression.look_up(key, statistics) for key in expression.names()}
        holds = bool(expression.evaluate(statistics))
        seen = ", ".join(f"{key} = {value:g}" for key, value in values.items())
        why = f"{seen}: {rule.message or rule.expression} {'holds' if holds else 'does not hold'}"
    else:
        query = closed(rule.sql or "")
        try:
            counted = connection.execute(f"SELECT count(*) FROM ({query})").fetchone() or (0,)
        except duckdb.Error as err:
            raise ConfigError(f"rule '{name}' is not valid SQL: {said(err)}") from err
        holds, values = counted[0] == 0, {"count": int(counted[0])}
        why = "no row breaks it" if holds else f"{rule.message or name}: {counted[0]:,} rows break it"
        if not holds:
            samples[name] = _rows(connection, query)
    result: Result = "passed" if holds else "failed" if rule.severity == "fail" else "warned"
    return RuleResult(rule=name, result=result, why=why, values=values)


def _statistics(connection: duckdb.DuckDBPyConnection, columns: dict[str, str], rules: list[Rule]) -> dict[str, Any]:
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


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(f"SELECT * FROM ({query}) LIMIT {SHOWN_ROWS}")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in found.fetchall()]


def _plain(value: Any) -> Any:
    """Give a value that JSON has: NaN and infinity become text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
