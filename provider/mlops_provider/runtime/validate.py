"""Phase `validate`: the data evaluation checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import DatasetRef, ReportRef
from mlops_provider.runtime.column_rules import column_conditions
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.drift_rule import judge_drift
from mlops_provider.runtime.evaluation.evidently_page import made_when_opened
from mlops_provider.runtime.report_page import markdown, page
from mlops_provider.runtime.rules import Samples, failing_rows, judge_rule, statistics_of
from mlops_provider.runtime.sql import columns_of, identifier, require_columns, said
from mlops_provider.runtime.table import confine, connect, scan
from mlops_provider.store.store import json_bytes
from mlops_provider.verdicts import Result, RuleResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from mlops_dag_factory.spec.data import ValidateSpec
    from mlops_provider.store.store import Store

MASK = "•••"
_UNIQUE_WHY = "values occur more than once"


def run(config: ValidateSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Judge every rule, publish a report with rows that fail, hand the dataset on unchanged."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store = context.store()
    samples: Samples = {}
    with store.scratch() as spill, connect(spill) as connection, store.scratch() as folder:
        connection.execute(f"CREATE VIEW data AS SELECT * FROM {scan(store, data)}")
        confine(connection, store, [ref for refs in inputs.values() for ref in refs if isinstance(ref, DatasetRef)])
        columns = columns_of(connection, "SELECT * FROM data")
        require_columns(columns, [*config.columns, *config.personal], "the data")
        rules = _judge_columns(connection, config, columns, samples)
        rules += _judge_keys(connection, store, config, inputs, samples)
        statistics = statistics_of(connection, columns, config.rules)
        for index, rule in enumerate(config.rules):
            if rule.drift:
                baseline: DatasetRef = one(inputs, f"rules.{index}.drift.baseline", DatasetRef)
                rules.append(judge_drift(store, rule, data, baseline, folder / f"drift-{index}.parquet"))
            else:
                rules.append(judge_rule(connection, rule, statistics, samples))
        if data.rows == 0:
            rules.append(RuleResult(rule="row_count > 0", result="failed", why="the data has no rows"))
        verdict = Verdict.of(rules)
        summary = f"{data.rows:,} rows, {len(columns)} columns, {len(rules)} rules.\n\n{verdict.to_markdown()}"
        masked = {rule: [_masked(row, config.personal) for row in rows] for rule, rows in samples.items()}
        content = {"rows": data.rows, "columns": columns, "verdict": verdict.to_dict(), "failing_rows": masked}
        (folder / "report.json").write_bytes(json_bytes(content))
        title, text = f"{context.workflow}: {context.phase}", f"{summary}{_tables(masked)}"
        (folder / "report.md").write_text(f"# {title}\n\n{text}")
        links = "".join(
            f"<p>{made_when_opened(context, f'{path.stem}.html')}</p>" for path in sorted(folder.glob("drift-*"))
        )
        (folder / "report.html").write_text(page(title, markdown(text), links))
        meta = {"lineage": {"data": data.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    report = ReportRef(uri=published.uri, digest=published.digest)
    failed = float(sum(rule.result == "failed" for rule in rules))
    metrics = {"rows": float(data.rows), "rules": float(len(rules)), "failed_rules": failed}
    return Outcome(outputs={"data": data, "report": report}, metrics=metrics, verdict=verdict, summary=summary)


def _judge_columns(
    connection: duckdb.DuckDBPyConnection, config: ValidateSpec, columns: dict[str, str], samples: Samples
) -> list[RuleResult]:
    """Count what breaks each column's rules, all in one scan."""
    conditions = [
        (f"{name}: {title}", severity, sql)
        for name, rule in config.columns.items()
        for title, severity, sql in column_conditions(name, rule, columns[name])
    ]
    results = []
    for (title, severity, sql), count in zip(conditions, _counts(connection, conditions), strict=True):
        results.append(_counted(title, severity, int(count)))
        if count:
            samples[title] = failing_rows(connection, f"SELECT * FROM data WHERE {sql}")
    for name in (name for name, rule in config.columns.items() if rule.unique):
        column = identifier(name)
        repeated = f"SELECT {column} FROM data WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) > 1"
        results.append(
            _query(connection, f"{name}: unique", config.columns[name].severity, repeated, samples, _UNIQUE_WHY)
        )
    return results


def _judge_keys(
    connection: duckdb.DuckDBPyConnection, store: Store, config: ValidateSpec, inputs: Inputs, samples: Samples
) -> Iterator[RuleResult]:
    """Look for values that the dataset they refer to does not have."""
    for name, rule in config.columns.items():
        if rule.references is None:
            continue
        other: DatasetRef = one(inputs, f"columns.{name}.references.data", DatasetRef)
        known = columns_of(connection, f"SELECT * FROM {scan(store, other)}")
        require_columns(known, [rule.references.column], f"dataset {rule.references.data}")
        column, key = identifier(name), identifier(rule.references.column)
        missing = (
            f"SELECT data.* FROM data ANTI JOIN {scan(store, other)} AS other ON data.{column} = other.{key} "
            f"WHERE data.{column} IS NOT NULL"
        )
        title = f"{name}: is in {rule.references.data}.{rule.references.column}"
        yield _query(connection, title, rule.severity, missing, samples, "rows name what is not there")


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


def _query(
    connection: duckdb.DuckDBPyConnection, title: str, severity: str, query: str, samples: Samples, what: str
) -> RuleResult:
    import duckdb

    try:
        count = int((connection.execute(f"SELECT count(*) FROM ({query})").fetchone() or (0,))[0])
    except duckdb.Error as err:
        raise ConfigError(f"rule '{title}' does not fit the column: {said(err)}") from err
    if count:
        samples[title] = failing_rows(connection, query)
    return _counted(title, severity, count, what)


def _counted(title: str, severity: str, count: int, what: str = "rows break it") -> RuleResult:
    if count == 0:
        return RuleResult(rule=title, result="passed", why="holds in every row")
    result: Result = "failed" if severity == "fail" else "warned"
    return RuleResult(rule=title, result=result, why=f"{title}: {count:,} {what}", values={"count": count})


def _masked(row: dict[str, Any], personal: list[str]) -> dict[str, Any]:
    return {name: MASK if name in personal and value is not None else value for name, value in row.items()}


def _tables(samples: Samples) -> str:
    """Give the rows that fail as Markdown tables."""
    parts = []
    for rule, rows in samples.items():
        if rows:
            cells = [[str(value).replace("|", "\\|").replace("\n", " ") for value in row.values()] for row in rows]
            lines = [list(map(str, rows[0])), ["---"] * len(rows[0]), *cells]
            parts.append(f"## Rows that break: {rule}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(["", *parts])
