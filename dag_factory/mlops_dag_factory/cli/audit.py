"""`mlops audit`: from one prediction, version or run back to all that led to it, and whether all of it still holds."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_dag_factory.spec.base import SpecError, parse_duration

if TYPE_CHECKING:
    from mlops_provider.runtime.audit.trail import Trail

_COLOURS = {"whole": "green", "missing": "red", "damaged": "red", "none": "yellow"}


@click.command()
@click.argument("request_id", required=False, metavar="[REQUEST_ID]")
@click.option("--row", default=0, show_default=True, help="Which row of the request.")
@click.option("--service", default="", help="'workflow' or 'workflow/environment' that answered; default: all.")
@click.option("--since", default="", help="How far back the log is searched, as 7d or 2026-11-25T10.")
@click.option("--version", nargs=2, metavar="NAME VERSION", help="A registered version (a number or champion) instead.")
@click.option("--run", nargs=2, metavar="WORKFLOW RUN", help="A run and what it registered instead.")
@click.option("--thorough", is_flag=True, help="Read every byte of the datasets too.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to this file.")
@STORE
@JSON
def audit(
    request_id: str | None,
    row: int,
    service: str,
    since: str,
    version: tuple[str, str] | None,
    run: tuple[str, str] | None,
    thorough: bool,  # noqa: FBT001 (click's flag)
    page: Path | None,
    store_url: str | None,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """Follow REQUEST_ID back to model, data, code, verdicts, people and deployment; exit 1 when a link is broken."""
    from mlops_provider.runtime.audit import gather

    if sum(map(bool, (request_id, version, run))) != 1:
        raise click.UsageError("name one of: REQUEST_ID, --version NAME VERSION, --run WORKFLOW RUN")
    store = open_store(store_url)
    with errors():
        if version:
            trail = gather.audit_version(store, *version, thorough=thorough)
        elif run:
            trail = gather.audit_run(store, *run, thorough=thorough)
        else:
            workflow, _, environment = service.partition("/")
            trail = gather.audit_request(
                store,
                str(request_id),
                row=row,
                workflow=workflow,
                environment=environment,
                since=moment(since),
                thorough=thorough,
            )
    _give(trail, page, as_json=as_json)
    sys.exit(1 if trail.broken else 0)


def moment(text: str) -> datetime | None:
    """Read '7d' as that long ago, or a moment in UTC."""
    if not text:
        return None
    try:
        ago = parse_duration(text)
        if isinstance(ago, timedelta):
            return datetime.now(UTC) - ago
    except SpecError:
        pass
    try:
        given = datetime.fromisoformat(text)
    except ValueError as err:
        raise click.UsageError(f"--since: '{text}' is neither a duration (7d) nor a moment (2026-11-25T10)") from err
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _give(trail: Trail, page: Path | None, *, as_json: bool) -> None:
    from mlops_provider.runtime.audit.page import trail_lines, trail_page

    if page:
        page.write_text(trail_page(trail), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(trail.to_dict(), indent=1, default=str))
        return
    click.echo(trail.subject)
    for title, state, says in trail_lines(trail):
        if not title:
            click.secho(f"    {says}", fg="red")
            continue
        click.echo(f"{title:<28}{click.style(f'{state:<9}', fg=_COLOURS[state])}{says}")
    if page:
        click.echo(f"page: {page}")
