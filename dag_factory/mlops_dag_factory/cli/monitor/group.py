"""What the commands about a monitor share: the group, which service they are about, times and ages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.spec.base import SpecError, parse_duration
from mlops_provider.runtime.monitor.deciding.decisions import decisions_key
from mlops_provider.store.documents import revisions
from mlops_provider.store.services import list_services

if TYPE_CHECKING:
    from mlops_provider.store.store import Store


@click.group()
def monitor() -> None:
    """Say what the monitor decided and why; acknowledge an alarm, silence a check."""


def watched(store: Store, service: str) -> tuple[str, str]:
    """Give workflow and environment of a service that has been monitored."""
    workflow, _, environment = service.partition("/")
    environment = environment or "production"
    if not revisions(store, decisions_key(workflow, environment)):
        known = [state.name for state in list_services(store)]
        seen = ", ".join(name for name in known if revisions(store, decisions_key(*name.split("/", 1)))) or "none"
        raise click.UsageError(f"'{workflow}/{environment}' has no decisions in {store.url}; monitored: {seen}")
    return workflow, environment


def moment(text: str, option: str) -> datetime:
    """Read a time in ISO 8601; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as err:
        raise click.UsageError(f"{option} '{text}' is not a time: write 2026-01-31T18:00") from err
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def age(text: str, option: str) -> timedelta:
    """Read a length of time, as 4h or 2d."""
    try:
        found = parse_duration(text)
    except SpecError as err:
        raise click.UsageError(f"{option} '{text}' {err}: {err.hint}") from err
    if not isinstance(found, timedelta):
        raise click.UsageError(f"{option} '{text}' is not a duration: write 30m, 4h or 2d")
    return found
