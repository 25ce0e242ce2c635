"""`mlops monitor silence` and `ack`: breaches that lead to nothing for a while, an alarm that somebody looks after."""

from __future__ import annotations

import getpass
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.monitor.group import age, moment, monitor, watched
from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.runtime.monitor.deciding import silences
from mlops_provider.runtime.monitor.deciding.decisions import read_decisions
from mlops_provider.runtime.monitor.deciding.silences import Silence

if TYPE_CHECKING:
    from mlops_provider.store.chain import Entry

_LATEST = 24
"""Decisions whose rules are known."""
_UNTIL = click.option("--until", default="", help="When it ends, as 2026-01-31T18:00.")
_FOR = click.option("--for", "length", default="", help="How long it lasts, as 4h.")
_REASON = click.option("--reason", required=True, help="Why: for the decisions that it holds and the audit chain.")
_BY = click.option("--by", default="", help="Who does it; default: your user name.")


@monitor.command()
@click.argument("service", metavar="WORKFLOW[/ENVIRONMENT]")
@click.option("--check", default="", help="The rule that is silenced, as data_drift; default: every rule.")
@click.option("--end", default="", help="Id of a silence that ends now.")
@_UNTIL
@_FOR
@_REASON
@_BY
@STORE
@JSON
def silence(
    service: str,
    check: str,
    end: str,
    until: str,
    length: str,
    reason: str,
    by: str,
    store_url: str | None,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """Let breaches lead to nothing until a time; they stay on record. With --end, end a silence."""
    store, now, by = open_store(store_url), datetime.now(UTC), by or getpass.getuser()
    with errors():
        workflow, environment = watched(store, service)
        if end:
            entry = silences.end(store, workflow, environment, end, by=by, reason=reason, now=now)
            _say(entry, as_json=as_json)
            return
        if check:
            latest = read_decisions(store, workflow, environment, last=_LATEST)
            _require_rule(list(dict.fromkeys(name for entry in latest for name in entry["checked"])), check)
        made = Silence(
            id=_identity(), kind="silence", by=by, reason=reason, at=now, until=_end(until, length, now), check=check
        )
        _say(silences.put(store, workflow, environment, made), as_json=as_json)


@monitor.command()
@click.argument("service", metavar="WORKFLOW[/ENVIRONMENT]")
@_UNTIL
@_FOR
@_REASON
@_BY
@STORE
@JSON
def ack(
    service: str, until: str, length: str, reason: str, by: str, store_url: str | None, as_json: bool  # noqa: FBT001 (click's flag)
) -> None:  # fmt: skip
    """Say that you look after the alarm that stands: nobody is told of it again unless something else breaks."""
    store, now = open_store(store_url), datetime.now(UTC)
    with errors():
        workflow, environment = watched(store, service)
        alarm = read_decisions(store, workflow, environment, last=1)[0]["state"]["alarm"]
        if alarm is None:
            raise click.UsageError(f"no alarm of {workflow}/{environment} stands; to hold checks back, use silence")
        made = Silence(
            id=_identity(),
            kind="ack",
            by=by or getpass.getuser(),
            reason=reason,
            at=now,
            until=_end(until, length, now),
            alarm=alarm["opened"]["id"],
        )
        _say(silences.put(store, workflow, environment, made), as_json=as_json)


def _identity() -> str:
    return f"s-{uuid.uuid4().hex[:8]}"


def _end(until: str, length: str, now: datetime) -> datetime:
    if bool(until) == bool(length):
        raise click.UsageError("say when it ends: --until 2026-01-31T18:00, or --for 4h")
    return moment(until, "--until") if until else now + age(length, "--for")


def _require_rule(known: list[str], check: str) -> None:
    if check not in known:
        raise click.UsageError(f"the monitor has no rule '{check}'; it judged: {', '.join(known) or 'nothing yet'}")


def _say(entry: Entry, *, as_json: bool) -> None:
    about = Silence.from_dict(entry.payload["silence"])
    if as_json:
        click.echo(json.dumps({"entry": entry.number, "kind": entry.kind, **about.to_dict()}, indent=1))
    elif entry.kind == "silence_ended":
        click.echo(f"ended: {about.sentence()} ({about.id})")
    else:
        click.echo(f"{about.sentence()} ({about.id}; entry {entry.number} of the audit chain)")
