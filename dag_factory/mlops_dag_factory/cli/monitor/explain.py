"""`mlops monitor explain`: why the monitor acted or did not, and what would make it act."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from mlops_dag_factory.cli.monitor.group import moment, monitor, watched
from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.runtime.monitor.deciding.account import account, words
from mlops_provider.runtime.monitor.deciding.decisions import decision_at
from mlops_provider.runtime.monitor.deciding.silences import standing


@monitor.command()
@click.argument("service", metavar="WORKFLOW[/ENVIRONMENT]")
@click.option("--at", "when", default="", help="The decision in force at this time; default: the latest.")
@STORE
@JSON
def explain(service: str, when: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Say why the monitor did or did not act, which rule decided, and what would make it act."""
    store = open_store(store_url)
    with errors():
        workflow, environment = watched(store, service)
        at = moment(when, "--at") if when else datetime.max.replace(tzinfo=UTC)
        entry = decision_at(store, workflow, environment, at)
        if entry is None:
            raise click.UsageError(f"nothing was decided about {workflow}/{environment} until {when}")
        silences = [] if when else standing(store, workflow, environment, datetime.now(UTC))
    found = account(entry)
    if as_json:
        click.echo(json.dumps({**found, "standing": [one.to_dict() for one in silences]}, indent=1))
        return
    click.echo(words(found))
    for one in silences:
        click.echo(f"stands now: {one.sentence()} ({one.id})")
