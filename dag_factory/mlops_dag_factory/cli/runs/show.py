"""`mlops runs show`: every phase of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.runs.group import styled, usage_errors
from mlops_dag_factory.cli.store import JSON, STORE, open_store
from mlops_provider.runtime.iterations.history import read_run
from mlops_provider.runtime.records import run_records
from mlops_provider.store.tags import read_tags

if TYPE_CHECKING:
    from mlops_provider.runtime.records import Record


@click.command()
@click.argument("workflow")
@click.argument("run_id")
@STORE
@JSON
def show(workflow: str, run_id: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Show every phase of a run: status, seconds, metrics, verdict, outputs."""
    store = open_store(store_url)
    with usage_errors():
        read_run(store, workflow, run_id)
    records = run_records(store, workflow, run_id)
    if as_json:
        click.echo(json.dumps(records, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("phase", "try", "status", "seconds", "metrics", "says", box=None, header_style="bold")
    for record in records:
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in list(record.get("metrics", {}).items())[:4])
        seconds = record.get("usage", {}).get("wall_seconds")
        table.add_row(
            record["phase"],
            str(record["attempt"]),
            styled(record["status"]),
            "" if seconds is None else f"{seconds:.1f}",
            Text(metrics),
            Text(says(record)),
        )
    console = Console()
    if tags := read_tags(store, workflow, run_id):
        console.print(Text(f"tags: {', '.join(f'{key}={value}' for key, value in sorted(tags.items()))}"))
    console.print(table)


def says(record: Record) -> str:
    """Give what a record says in a few words: its error, its verdict or what it made."""
    if error := record.get("error"):
        return str(error["message"]).splitlines()[0]
    if verdict := record.get("verdict"):
        failed = [rule["why"] for rule in verdict["rules"] if rule["result"] == "failed"]
        return f"{verdict['status']}: {'; '.join(failed)}" if failed else str(verdict["status"])
    return ", ".join(f"{name} {ref['digest'][:8]}" for name, ref in record.get("outputs", {}).items())
