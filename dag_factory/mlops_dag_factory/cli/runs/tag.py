"""`mlops runs tag`: words that people give a run."""

from __future__ import annotations

import json
import re

import click

from mlops_dag_factory.cli.runs.group import usage_errors
from mlops_dag_factory.cli.store import JSON, STORE, open_store
from mlops_provider.runtime.iterations.history import read_run
from mlops_provider.store.tags import change_tags

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
_LONGEST = 200


@click.command()
@click.argument("workflow")
@click.argument("run_id", metavar="RUN")
@click.argument("tags", nargs=-1, metavar="KEY=VALUE...")
@click.option("--remove", multiple=True, metavar="KEY", help="Take a tag away; may be repeated.")
@STORE
@JSON
def tag(
    workflow: str,
    run_id: str,
    tags: tuple[str, ...],
    remove: tuple[str, ...],
    store_url: str | None,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """Tag a run; without tags, show those that it has."""
    store = open_store(store_url)
    values = dict(parse_tag(text) for text in tags)
    with usage_errors():
        read_run(store, workflow, run_id)
        found = change_tags(store, workflow, run_id, values, remove=remove)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    click.echo("\n".join(f"{key}={value}" for key, value in sorted(found.items())) or f"{run_id} has no tags")


def parse_tag(text: str) -> tuple[str, str]:
    """Take KEY=VALUE apart; click.UsageError says what is wrong with it."""
    key, equals, value = text.partition("=")
    if not equals or not value:
        raise click.UsageError(f"'{text}' is not KEY=VALUE")
    if not _KEY.fullmatch(key):
        raise click.UsageError(f"'{key}' is not a key: letters, digits, '_', '.', '-', at most 63, no digit first")
    if len(value) > _LONGEST:
        raise click.UsageError(f"the value of '{key}' has {len(value)} characters; at most {_LONGEST} are kept")
    return key, value
