"""`mlops services`: what runs, where, since when and by whom; more of it, less of it, its logs, its end."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.store.placements import Placement, read_placement
from mlops_provider.store.service_reports import live_reports
from mlops_provider.store.services import Change, Service, list_services, now, read_service, service_history

if TYPE_CHECKING:
    from mlops_provider.store.store import Store


@click.group(invoke_without_command=True)
@STORE
@JSON
@click.pass_context
def services(context: click.Context, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """List all services with their servers and how they are, or show one."""
    context.obj = store_url
    if context.invoked_subcommand:
        return
    store = open_store(store_url)
    rows = [
        {**_row(state), **_where(store, state), "servers": _servers(store, state)} for state in list_services(store)
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    shown = [
        {**row, "servers": "\n".join(_health(server) for server in row["servers"]) or _nobody(row)} for row in rows
    ]
    _print(shown, f"no services in {store.url}")


@services.command()
@click.argument("service")
@STORE
@JSON
@click.pass_context
def show(context: click.Context, service: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Show every state that SERVICE ('workflow' or 'workflow/environment') was in, oldest first."""
    store = open_store(store_url or context.obj)
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
    _print([{name: value for name, value in row.items() if name != "reason"} for row in rows], "")
    for row in rows:
        if row["reason"]:  # as long as what a step of a release was judged by: below the table
            click.echo(f"{row['revision']}: {row['reason']}")


@services.command()
@click.argument("service")
@STORE
@JSON
@click.pass_context
def status(context: click.Context, service: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Ask the engine, the cluster or the model servers how SERVICE is; exit 1 when it does not answer."""
    with errors():
        store, placement = _placed(context, service, store_url)
        target = _open(store, placement)
        progress = target.look(placement)
        rows = [
            {"name": found.name, "version": found.version, "status": found.status, "message": found.message}
            for found in target.status(placement)
        ]
    if as_json:
        about = {"service": placement.name, "target": placement.target, "status": progress.status}
        click.echo(json.dumps({**about, "said": progress.said, "url": placement.url, "instances": rows}, indent=1))
    else:
        _print(rows, f"nothing of {placement.name} runs")
        click.echo(f"{placement.name} on {placement.target}: {progress.said}")
    sys.exit(0 if progress.status == "ready" else 1)


@services.command()
@click.argument("service")
@click.argument("replicas", type=click.IntRange(1, 1000))
@click.option("--wait", default=120.0, show_default=True, help="Seconds that the new replicas are waited for.")
@STORE
@click.pass_context
def scale(context: click.Context, service: str, replicas: int, wait: float, store_url: str | None) -> None:
    """Let REPLICAS containers or pods of SERVICE run, until the next deployment."""
    from mlops_provider.runtime.targets.upkeep import scale as run

    with errors():
        store, placement = _placed(context, service, store_url)
        run(store, placement, replicas, addresses_of(placement), timedelta(seconds=wait))
    click.echo(f"{placement.name} has {replicas} replicas")


@services.command()
@click.argument("service", required=False)
@click.option("--due", is_flag=True, help="Every service whose 'stop_after' is over.")
@click.option("--reason", default="", help="Why: for the service's history.")
@STORE
@click.pass_context
def stop(context: click.Context, service: str | None, due: bool, reason: str, store_url: str | None) -> None:  # noqa: FBT001 (click's flag)
    """End SERVICE: its record names no version any more, its containers or objects are removed."""
    from mlops_provider.runtime.targets import upkeep

    if bool(service) == due:
        raise click.UsageError("name a service, or say --due")
    store = open_store(store_url or context.obj)
    by = getpass.getuser()
    with errors():
        if due:
            for placement in upkeep.due(upkeep.placed(store)):
                change = upkeep.stop_change(placement, by)
                upkeep.stop(store, *placement.service, change, addresses_of(placement))
                click.echo(f"{placement.name} is stopped: {change.reason}")
            return
        workflow, environment = _named(store, str(service))
        upkeep.require_stoppable(store, workflow, environment)
        found = read_placement(store, workflow, environment)
        change = Change(id=f"stop/{by}/{now()}", action="stop", by=by, at=now(), reason=reason)
        upkeep.stop(store, workflow, environment, change, addresses_of(found))
    click.echo(f"{workflow}/{environment} is stopped")


@services.command()
@click.argument("service")
@click.option("--lines", default=50, show_default=True, help="How many of each container or pod.")
@STORE
@click.pass_context
def logs(context: click.Context, service: str, lines: int, store_url: str | None) -> None:
    """Show the last lines that the containers or pods of SERVICE wrote."""
    with errors():
        store, placement = _placed(context, service, store_url)
        click.echo(_open(store, placement).logs(placement, lines))


def _named(store: Store, service: str) -> tuple[str, str]:
    """Give workflow and environment of a service that there is."""
    workflow, _, environment = service.partition("/")
    environment = environment or "production"
    if read_service(store, workflow, environment).revision == 0 and not read_placement(store, workflow, environment):
        known = ", ".join(state.name for state in list_services(store)) or "none"
        raise click.UsageError(f"there is no service '{workflow}/{environment}' in {store.url}; services: {known}")
    return workflow, environment


def _placed(context: click.Context, service: str, store_url: str | None) -> tuple[Store, Placement]:
    """Give where a service runs; without a placement it runs on model servers."""
    store = open_store(store_url or context.obj)
    workflow, environment = _named(store, service)
    if found := read_placement(store, workflow, environment):
        return store, found
    primary = read_service(store, workflow, environment).primary
    version, digest = (primary.version, primary.model.digest) if primary else ("", "")
    return store, Placement(
        workflow=workflow, environment=environment, target="server", version=version, model=digest, state="running"
    )


def _open(store: Store, placement: Placement) -> Any:
    from mlops_provider.runtime.targets.target import open_target

    return open_target(store, placement, addresses_of(placement))


def addresses_of(placement: Placement | None) -> dict[str, str]:
    """Give the address behind the connection of a placement, from the environment or Airflow's database."""
    if placement is None or not placement.connection or placement.target == "server":
        return {}
    from mlops_provider.hooks.addresses import addresses

    return addresses([(placement.target, placement.connection)])


def _where(store: Store, state: Service) -> dict[str, Any]:
    """Give where a service runs, where that is not on model servers, and until when."""
    found = read_placement(store, state.workflow, state.environment)
    if found is None:
        return {"target": "server", "stops": ""}
    url = f" {found.url}" if found.target != "server" and found.url else ""
    running = "" if found.state == "running" else f" ({found.state})"
    return {"target": f"{found.target}{running}{url}", "stops": found.stops_at}


def _nobody(row: dict[str, Any]) -> str:
    return "[yellow]none" if row["target"] == "server" else ""


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
    parts = [text, *(f"{role} {found.version}" for role, found in others.items() if found)]
    if state.rollout:
        parts.append(f"{state.rollout.candidate} by {state.rollout.said()}, run {state.rollout.run}")
    return "; ".join(parts)


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
        shown = {name: str(value)[:19].replace("T", " ") if name == "since" else value for name, value in row.items()}
        table.add_row(*(str(value) for value in shown.values()))
    Console().print(table)
