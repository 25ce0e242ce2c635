"""`mlops explain`: why one answer is what it is, by the version that gave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.audit import moment
from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store

if TYPE_CHECKING:
    from mlops_provider.runtime.explanation.single import SingleExplanation

_SHOWN = 20


@click.command()
@click.argument("request_id")
@click.option("--row", default=0, show_default=True, help="Which row of the request.")
@click.option("--service", default="", help="'workflow' or 'workflow/environment' that answered; default: all.")
@click.option("--since", default="", help="How far back the log is searched, as 7d or 2026-11-25T10.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to this file.")
@STORE
@JSON
def explain(
    request_id: str,
    row: int,
    service: str,
    since: str,
    page: Path | None,
    store_url: str | None,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """Show what the row of REQUEST_ID was answered and how much each feature contributed, beside what is usual."""
    from mlops_provider.runtime.audit.gather import explain_request
    from mlops_provider.runtime.explanation.single_page import single_page

    workflow, _, environment = service.partition("/")
    store = open_store(store_url)
    with errors():
        found = explain_request(
            store, request_id, row=row, workflow=workflow, environment=environment, since=moment(since)
        )
    if page:
        page.write_text(single_page(found), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1, default=str))
        return
    _print(found)
    if page:
        click.echo(f"page: {page}")


def _print(found: SingleExplanation) -> None:
    from rich.console import Console
    from rich.table import Table

    from mlops_provider.runtime.explanation.single_page import sentence, shown

    sure = f" with probability {found.probability:.3f}" if found.probability is not None else ""
    click.echo(f"version {found.version} of {found.service} answered {found.answer}{sure} at {found.at[:19]} UTC")
    for note in found.notes:
        click.secho(note, fg="yellow")
    click.echo(sentence(found))
    table = Table("feature", "value", "contribution", "usual in the baseline", "", box=None, header_style="bold")
    for part in found.contributions[:_SHOWN]:
        table.add_row(part.feature, shown(part.value), f"{part.contribution:+.4g}", part.usual, part.odd)
    Console().print(table)
    if len(found.contributions) > _SHOWN:
        click.echo(f"and {len(found.contributions) - _SHOWN} more features: --json")
