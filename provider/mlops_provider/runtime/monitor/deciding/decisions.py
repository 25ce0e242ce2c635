"""The decisions of a monitor: one document, a revision for each monitor run, the oldest first."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlops_provider.store.documents import read_revision, revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.store.store import Store

Entry = dict[str, Any]

_NEAR = 20
_SLACK = timedelta(days=2)
"""By how much the times of decisions may be out of order before one is not found again."""


def decisions_key(workflow: str, environment: str) -> str:
    """Give the document's key."""
    return f"{workflow}/monitor/{environment}/decisions"


def read_decisions(store: Store, workflow: str, environment: str, *, last: int | None = None) -> list[Entry]:
    """Read the monitoring history of a service, or its last decisions, oldest first."""
    return [entry for _, entry in islice(newest_first(store, workflow, environment), last)][::-1]


def newest_first(store: Store, workflow: str, environment: str) -> Iterator[tuple[int, Entry]]:
    """Read decisions with their revisions one by one, the newest first: few are read where few are looked at."""
    key = decisions_key(workflow, environment)
    for revision in reversed(revisions(store, key)):
        yield revision, read_revision(store, key, revision).data


def decision_at(store: Store, workflow: str, environment: str, at: datetime) -> Entry | None:
    """Give the last decision that was made at a time or before it; None where there was none."""
    return next((entry for _, entry in newest_first(store, workflow, environment) if time_of(entry) <= at), None)


def time_of(entry: Entry) -> datetime:
    """Give the time that a decision is about."""
    return datetime.fromisoformat(entry["at"])


def find_made(found: Iterator[tuple[int, Entry]], identity: str, at: datetime) -> tuple[int, Entry, Entry]:
    """Look for the decision that a run has made already; `found` are the decisions, the newest first.

    Gives the number of the latest revision, the latest decision and the one that was made; {} for none. The search
    ends where decisions are clearly older than the run, so that a long history costs nothing.
    """
    latest, revision = Entry(), 0
    for count, (number, entry) in enumerate(found):
        latest, revision = (entry, number) if count == 0 else (latest, revision)
        if entry["id"] == identity:
            return revision, latest, entry
        if count >= _NEAR and time_of(entry) < at - _SLACK:
            break
    return revision, latest, Entry()
