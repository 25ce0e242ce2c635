"""`mlops runs list`: the runs, filtered and sorted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from mlops_dag_factory.cli.runs.group import status_of, styled, usage_errors
from mlops_dag_factory.cli.store import JSON, STORE, open_store
from mlops_dag_factory.spec.base import SpecError, parse_duration
from mlops_provider.exceptions import ConfigError, ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.iterations.history import EVALUATE
from mlops_provider.runtime.records import Record, list_runs, run_records
from mlops_provider.store.tags import read_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.store.store import Store

_STATUSES = ("succeeded", "failed", "blocked", "rejected")
_SHOWN = 12


@click.command("list")
@click.argument("workflow", required=False)
@click.option("--status", "statuses", multiple=True, type=click.Choice(_STATUSES), help="Only these; may be repeated.")
@click.option("--since", help="Only runs that started since: 7d, 24h, or a date as 2026-01-31.")
@click.option("--where", metavar="CONDITION", help="Only runs whose metrics meet it: 'quality.accuracy >= 0.9'.")
@click.option("--tag", "tags", multiple=True, metavar="KEY[=VALUE]", help="Only runs with this tag; may be repeated.")
@click.option("--sort", "by", metavar="METRIC", help="Best first by a metric: 'quality.accuracy', or 'accuracy'.")
@STORE
@JSON
def list_command(
    workflow: str | None,
    statuses: tuple[str, ...],
    since: str | None,
    where: str | None,
    tags: tuple[str, ...],
    by: str | None,
    store_url: str | None,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """List the runs of one workflow or of all, the newest last."""
    store = open_store(store_url)
    earliest = _moment(since) if since else None
    found = _read(store, [workflow] if workflow else store.files.list(""))
    with usage_errors():
        kept = [row for row in found if _is_wanted(row, statuses, earliest, tags)]
        kept = _meeting(kept, where) if where else kept
        kept = _sorted(kept, by) if by else sorted(kept, key=lambda row: str(row["started"]))
    if as_json:
        click.echo(json.dumps(kept, indent=1))
        return
    _print(kept, by, f"no runs in {store.url}" if not found else "no run meets that")


def _read(store: Store, workflows: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {**summarize(records), "tags": read_tags(store, name, run)}
        for name in workflows
        for run in list_runs(store, name)
        if (records := run_records(store, name, run))
    ]


def summarize(records: list[Record]) -> dict[str, Any]:
    """Give one line about a run from its records; the last attempt of each phase counts."""
    last = {record["phase"]: record for record in records}
    reason = records[0]["reason"]
    payload = reason.get("payload") or {}
    measured = {name: record["metrics"] for name, record in last.items() if record.get("metrics")}
    return {
        "workflow": records[0]["workflow"],
        "run_id": records[0]["run_id"],
        "started": records[0]["started"],
        "ended": max(record["ended"] for record in records),
        "wall_seconds": sum(record.get("usage", {}).get("wall_seconds", 0.0) for record in records),
        "phases": len(last),
        "status": status_of(list(last.values())),
        "why": payload.get("why") or reason.get("kind", ""),
        "metrics": measured,
        "evaluations": [name for name, record in last.items() if record["phase_type"] == EVALUATE],
    }


def _moment(text: str) -> str:
    """Give the moment that a duration before now, or a date, means."""
    try:
        age = parse_duration(text)
        if isinstance(age, timedelta):
            return (datetime.now(UTC) - age).isoformat(timespec="milliseconds")
    except SpecError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        raise click.UsageError(f"--since '{text}' is neither an age (7d, 24h) nor a date (2026-01-31)") from err
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _is_wanted(row: dict[str, Any], statuses: tuple[str, ...], earliest: str | None, tags: tuple[str, ...]) -> bool:
    if (statuses and row["status"] not in statuses) or (earliest and row["started"] < earliest):
        return False
    for text in tags:
        key, equals, value = text.partition("=")
        if key not in row["tags"] or (equals and row["tags"][key] != value):
            return False
    return True


def _scope(row: dict[str, Any]) -> dict[str, Any]:
    """Give the names that a condition may use: `phase.metric`, and the metrics of evaluations alone."""
    alone = {name: value for phase in row["evaluations"] for name, value in row["metrics"].get(phase, {}).items()}
    return {**alone, **row["metrics"]}


def _meeting(rows: list[dict[str, Any]], condition: str) -> list[dict[str, Any]]:
    """Keep the rows that meet a condition; a run without one of its metrics does not."""
    expression = Expression.parse(condition)
    kept, known = [], False
    for row in rows:
        try:
            meets = bool(expression.evaluate(_scope(row)))
        except ExpressionError:
            continue
        known = True
        if meets:
            kept.append(row)
    if rows and not known:
        raise ConfigError(f"no run has what '{condition}' asks for", hint=f"metrics: {_known(rows)}")
    return kept


def _sorted(rows: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Sort by a metric, the best first; runs without it come last."""
    from mlops_provider.runtime.metrics import LOWER_IS_BETTER

    values = {id(row): _value(row, metric) for row in rows}
    if rows and not any(value is not None for value in values.values()):
        raise ConfigError(f"no run has the metric '{metric}'", hint=f"metrics: {_known(rows)}")
    sign = 1 if metric.rpartition(".")[2] in LOWER_IS_BETTER else -1
    for row in rows:
        row["sorted_by"] = {metric: values[id(row)]}

    def place(row: dict[str, Any]) -> tuple[bool, float]:
        value = values[id(row)]
        return value is None, sign * (value or 0.0)

    return sorted(rows, key=place)


def _value(row: dict[str, Any], metric: str) -> float | None:
    phase, _, name = metric.rpartition(".")
    if phase:
        found: float | None = row["metrics"].get(phase, {}).get(name)
        return found
    alone = _scope(row).get(metric)
    return alone if isinstance(alone, int | float) else None


def _known(rows: list[dict[str, Any]]) -> str:
    names = sorted({f"{phase}.{name}" for row in rows for phase, values in row["metrics"].items() for name in values})
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "") or "none"


def _print(rows: list[dict[str, Any]], by: str | None, empty: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    tagged = any(row["tags"] for row in rows)
    names = ["workflow", "run", "started", "seconds", "phases", "status", *([by] if by else [])]
    table = Table(*names, "why", *(["tags"] if tagged else []), box=None, header_style="bold")
    for row in rows:
        value = row["sorted_by"][by] if by else None
        cells: list[Any] = [
            Text(row["workflow"]),
            Text(row["run_id"]),
            row["started"][:19].replace("T", " "),
            f"{row['wall_seconds']:.1f}",
            str(row["phases"]),
            styled(row["status"]),
            *(["" if value is None else f"{value:.4g}"] if by else []),
            Text(str(row["why"])),
        ]
        if tagged:
            cells.append(Text(" ".join(f"{key}={text}" for key, text in sorted(row["tags"].items()))))
        table.add_row(*cells)
    Console().print(table if rows else empty)
