"""`mlops monitor history`: the decisions of a monitor."""

from __future__ import annotations

import json
from typing import Any

import click

from mlops_dag_factory.cli.monitor.group import moment, monitor, watched
from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.runtime.monitor.deciding.decisions import read_decisions, time_of

_STYLES = {"critical": "bold red", "breach": "red", "warning": "yellow"}


@monitor.command()
@click.argument("service", metavar="WORKFLOW[/ENVIRONMENT]")
@click.option("--last", default=24, show_default=True, help="How many decisions.", type=click.IntRange(min=1))
@click.option("--since", default="", help="Only from this time on, as 2026-01-31T18:00.")
@click.option("--acted", is_flag=True, help="Only those that led to an action.")
@STORE
@JSON
def history(service: str, last: int, since: str, acted: bool, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flags)
    """List the decisions of a monitor, the oldest first, with the rule that decided each."""
    store = open_store(store_url)
    with errors():
        workflow, environment = watched(store, service)
        found = read_decisions(store, workflow, environment, last=None if since or acted else last)
    begin = moment(since, "--since") if since else None
    kept = [one for one in found if (one["actions"] or not acted) and (begin is None or time_of(one) >= begin)][-last:]
    if as_json:
        click.echo(json.dumps(kept, indent=1))
        return
    _print(kept)


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("at", "version", "status", "severity", "decided by", "actions", "why", box=None, header_style="bold")
    for row in rows:
        style = _STYLES.get(row["severity"], "")
        cells = [row["at"][:16].replace("T", " "), row["version"], row["status"], row["severity"]]
        cells += [row["decided_by"]["rule"], ", ".join(row["actions"]), row["why"]]
        table.add_row(*(Text(cell, style) for cell in cells))
    Console().print(table if rows else "no decisions")
