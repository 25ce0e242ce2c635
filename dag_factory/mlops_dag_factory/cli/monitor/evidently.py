"""`mlops monitor evidently`: the checks of a monitor as a workspace of Evidently's."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from mlops_dag_factory.cli.monitor.group import monitor, watched
from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.runtime.evidently_workspace import export
from mlops_provider.runtime.monitor.deciding.decisions import read_decisions


@monitor.command()
@click.argument("service", metavar="WORKFLOW[/ENVIRONMENT]")
@click.option(
    "--workspace", type=click.Path(file_okay=False, path_type=Path), default=Path("evidently"), show_default=True,
    help="Folder of the workspace; checks that it has already are left as they are.",
)  # fmt: skip
@click.option("--last", default=100, show_default=True, help="How many checks.", type=click.IntRange(min=1))
@STORE
@JSON
def evidently(service: str, workspace: Path, last: int, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Write the checks of a monitor, with the scores of all rows, for Evidently's own UI."""
    store = open_store(store_url)
    with errors():
        workflow, environment = watched(store, service)
        decisions = read_decisions(store, workflow, environment, last=last)
        found = export(store, f"{workflow}/{environment}", decisions, workspace)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
        return
    click.echo(f"{found.added} checks added, {found.present} were there, {found.without} compared no columns")
    click.echo(f"open it: evidently ui --workspace {workspace}")
