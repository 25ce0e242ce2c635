"""`mlops services`: what runs, since when and by whom."""

from __future__ import annotations

import json
from typing import Any

import click

from mlops_provider.settings import store_url_from_environment
from mlops_provider.store.services import Service, list_services, live_reports, service_history
from mlops_provider.store.store import Store


@click.command()
@click.argument("service", required=False)
@click.option("--store", "store_url", help="Store to read; default: AIRFLOW__MLOPS__STORE or Airflow's home.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def services(service: str | None, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """List all services, or show the history of SERVICE ('workflow/environment')."""
    store = Store(store_url or store_url_from_environment())
    if service:
        workflow, _, environment = service.partition("/")
        states = service_history(store, workflow, environment or "production")
        if not states:
            raise click.UsageError(f"there is no service '{service}' in {store.url}")
    else:
        states = list_services(store)
    rows = [_row(store, state, live=not service) for state in states]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    columns = [
        name
        for name in ("service", "version", "digest", "since", "action", "by", "servers")
        if rows and name in rows[0]
    ]
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(row[name]) for name in columns))
    Console().print(table if rows else f"no services in {store.url}")


def _row(store: Store, state: Service, *, live: bool) -> dict[str, Any]:
    primary, change = state.primary, state.change
    row: dict[str, Any] = {
        "service": state.name,
        "version": primary.version if primary else "none",
        "digest": primary.model.digest[:12] if primary else "",
        "since": change.at[:19].replace("T", " ") if change else "",
        "action": change.action if change else "",
        "by": change.by if change else "",
    }
    if live:
        digest = primary.model.digest if primary else ""
        reports = live_reports(store, state.workflow, state.environment)
        row["servers"] = ", ".join(f"{report.url} {report.status(digest)[0]}" for report in reports) or "none"
    return row
