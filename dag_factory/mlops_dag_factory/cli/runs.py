"""`mlops runs`: what ran, from the phase records in the store."""

from __future__ import annotations

import json
from typing import Any

import click

from mlops_provider.runtime.records import Record, list_runs, run_records
from mlops_provider.settings import store_url_from_environment
from mlops_provider.store.store import Store

_STYLES = {"succeeded": "green", "failed": "red", "blocked": "yellow", "rejected": "yellow"}


@click.group()
def runs() -> None:
    """List runs, show one."""


@runs.command("list")
@click.argument("workflow", required=False)
@click.option(
    "--store", "store_url", help="Store to read; default: AIRFLOW__MLOPS__STORE, Airflow's home or 'mlops run's."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(workflow: str | None, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """List the runs of one workflow or of all, the newest last."""
    store = Store(store_url or store_url_from_environment())
    workflows = [workflow] if workflow else store.files.list("")
    summaries = [
        summarize(records)
        for name in workflows
        for run in list_runs(store, name)
        if (records := run_records(store, name, run))
    ]
    summaries.sort(key=lambda summary: summary["started"])
    if as_json:
        click.echo(json.dumps(summaries, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("workflow", "run", "started", "seconds", "phases", "status", "why", box=None, header_style="bold")
    for row in summaries:
        status = f"[{_STYLES.get(row['status'], '')}]{row['status']}"
        table.add_row(
            row["workflow"],
            row["run_id"],
            row["started"][:19].replace("T", " "),
            f"{row['wall_seconds']:.1f}",
            str(row["phases"]),
            status,
            row["why"],
        )
    Console().print(table if summaries else f"no runs in {store.url}")


@runs.command("show")
@click.argument("workflow")
@click.argument("run_id")
@click.option(
    "--store", "store_url", help="Store to read; default: AIRFLOW__MLOPS__STORE, Airflow's home or 'mlops run's."
)
@click.option("--json", "as_json", is_flag=True, help="Print all records as JSON.")
def show(workflow: str, run_id: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Show every phase of a run: status, seconds, metrics, verdict, outputs."""
    store = Store(store_url or store_url_from_environment())
    records = run_records(store, workflow, run_id)
    if not records:
        known = ", ".join(list_runs(store, workflow)[-5:]) or "none"
        raise click.UsageError(f"{workflow} has no run '{run_id}' in {store.url}; the latest: {known}")
    if as_json:
        click.echo(json.dumps(records, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("phase", "try", "status", "seconds", "metrics", "says", box=None, header_style="bold")
    for record in records:
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in list(record.get("metrics", {}).items())[:4])
        status = f"[{_STYLES.get(record['status'], '')}]{record['status']}"
        seconds = record.get("usage", {}).get("wall_seconds")
        table.add_row(
            record["phase"],
            str(record["attempt"]),
            status,
            "" if seconds is None else f"{seconds:.1f}",
            metrics,
            says(record),
        )
    Console().print(table)


def summarize(records: list[Record]) -> dict[str, Any]:
    """Give one line about a run from its records; the last attempt of each phase counts."""
    last = {record["phase"]: record for record in records}
    statuses = {record["status"] for record in last.values()}
    status = next((word for word in ("failed", "blocked", "rejected") if word in statuses), "succeeded")
    reason = records[0]["reason"]
    payload = reason.get("payload") or {}
    return {
        "workflow": records[0]["workflow"],
        "run_id": records[0]["run_id"],
        "started": records[0]["started"],
        "ended": max(record["ended"] for record in records),
        "wall_seconds": sum(record.get("usage", {}).get("wall_seconds", 0.0) for record in records),
        "phases": len(last),
        "status": status,
        "why": payload.get("why") or reason.get("kind", ""),
    }


def says(record: Record) -> str:
    """Give what a record says in a few words: its error, its verdict or what it made."""
    if error := record.get("error"):
        return str(error["message"]).splitlines()[0]
    if verdict := record.get("verdict"):
        failed = [rule["why"] for rule in verdict["rules"] if rule["result"] == "failed"]
        return f"{verdict['status']}: {'; '.join(failed)}" if failed else str(verdict["status"])
    return ", ".join(f"{name} {ref['digest'][:8]}" for name, ref in record.get("outputs", {}).items())
