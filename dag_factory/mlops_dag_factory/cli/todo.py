"""`mlops todo`: what the monitor asks people to do, and how that is ticked off."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict

import click

from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.store.standing import Actor
from mlops_provider.store.todos import Todo, list_todos, tick_off


@click.group()
def todo() -> None:
    """List what people are asked to do, and tick it off."""


@todo.command("list")
@click.argument("workflow", default="")
@click.option("--all", "everything", is_flag=True, help="Those that are done, too.")
@STORE
@JSON
def list_command(workflow: str, everything: bool, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flags)
    """List the open to-dos of a WORKFLOW, or of all."""
    with errors():
        found = [each for each in list_todos(open_store(store_url), workflow) if each.open or everything]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=1))
        return
    for each in found:
        _print(each)
    if not found:
        click.echo("nothing is to be done")


@todo.command()
@click.argument("workflow")
@click.argument("which", metavar="ID")
@click.option("--note", required=True, help="What was found or done; stays on record.")
@click.option("--by", default="", help="Who did it; default: your user name.")
@STORE
@JSON
def done(workflow: str, which: str, note: str, by: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Tick off the to-do ID of a WORKFLOW; the beginning of the id is enough."""
    by = by or getpass.getuser()
    actor = Actor(workflow=workflow, identity=f"todo/{which}", run="", by=by, reason=note)
    with errors():
        ticked = tick_off(open_store(store_url), workflow, which, actor)
    click.echo(json.dumps(asdict(ticked), indent=1) if as_json else f"{ticked.id} is done: {ticked.note}")


def _print(each: Todo) -> None:
    whose = f" for {each.role or ', '.join(each.users)}" if each.role or each.users else ""
    opened = each.opened_at[:16].replace("T", " ")
    click.echo(f"{each.id}  {each.workflow}/{each.environment}, since {opened} UTC{whose}: {each.text}")
    click.echo(f"            why: {each.why}")
    if not each.open:
        click.echo(f"            done by {each.done_by} at {each.done_at[:16].replace('T', ' ')} UTC: {each.note}")
