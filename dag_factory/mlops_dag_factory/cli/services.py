"""`mlops services`: what runs, since when and by whom."""

from __future__ import annotations

import json
from typing import Any

import click

from mlops_provider.settings import store_url_from_environment
from mlops_provider.store.service_reports import live_reports
from mlops_provider.store.services import Service, list_services, service_history
from mlops_provider.store.store import Store

_STORE_HELP = "Store to read; default: AIRFLOW__MLOPS__STORE, Airflow's home or 'mlops run's."


@click.group(invoke_without_command=True)
@click.option("--store", "store_url", help=_STORE_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def services(context: click.Context, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """List all services with their servers and how they are, or show one."""
    context.obj = store_url
    if context.invoked_subcommand:
        return
    store = Store(store_url or store_url_from_environment())
    rows = [{**_row(state), "servers": _servers(store, state)} for state in list_services(store)]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    shown = [
        {**row, "servers": "\n".join(_health(server) for server in row["servers"]) or "[yellow]none"} for row in rows
    ]
    _print(shown, f"no services in {store.url}")


@services.command()
@click.argument("service")
@click.option("--store", "store_url", help=_STORE_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(context: click.Context, service: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Show every state that SERVICE ('workflow' or 'workflow/environment') was in, oldest first."""
    store = Store(store_url or context.obj or store_url_from_environment())
    workflow, _, environment = service.partition("/")
    rows = [
        {"revision": state.revision, **_row(state), "reason": state.change.reason if state.change else ""}
        for state in service_history(store, workflow, environment or "production")
    ]
    if not rows:
        known = ", ".join(state.name for state in list_services(store)) or "none"
        raise click.UsageError(f"there is no service '{service}' in {store.url}; services: {known}")
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    _print(rows, "")


def _row(state: Service) -> dict[str, Any]:
    primary, change = state.primary, state.change
    return {
        "service": state.name,
        "version": _traffic(state) or "none",
        "digest": primary.model.digest[:12] if primary else "",
        "since": change.at if change else "",
        "action": change.action if change else "",
        "by": change.by if change else "",
    }


def _traffic(state: Service) -> str:
    """Give the versions with their shares, where there are several, and who answers in the shadow or stands by."""
    shares = [f"{found.version} ({found.weight} %)" for found in state.versions]
    text = ", ".join(shares) if len(shares) > 1 else "".join(found.version for found in state.versions)
    others = {"shadow": state.shadow, "alternate": state.alternate}
    return "; ".join([text, *(f"{role} {found.version}" for role, found in others.items() if found)])


def _servers(store: Store, state: Service) -> list[dict[str, str]]:
    """Give each live server's address and what it says about the version that should run."""
    digest = state.primary.model.digest if state.primary else ""
    servers = []
    for report in live_reports(store, state.workflow, state.environment):
        status, message = report.status(digest) if digest else ("idle", "")
        servers.append({"url": report.url, "status": status, "message": message or report.trouble})
    return servers


def _health(server: dict[str, str]) -> str:
    colour = {"ready": "green", "failed": "red"}.get(server["status"], "yellow")
    message = f" ({server['message'][:80]})" if server["message"] else ""
    return f"{server['url']} [{colour}]{server['status']}[/]{message}"


def _print(rows: list[dict[str, Any]], nothing: str) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        Console().print(nothing, markup=False, soft_wrap=True)
        return
    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        shown = {**row, "since": str(row["since"])[:19].replace("T", " ")}
        table.add_row(*(str(value) for value in shown.values()))
    Console().print(table)
