"""What else changed then: releases, rollbacks, versions of data, parameters, libraries, as they are on record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.iterations.changes import changes_between
from mlops_provider.runtime.iterations.history import MONITORING, read_manifest
from mlops_provider.store.chain import Chain
from mlops_provider.store.documents import read_revision, revisions
from mlops_provider.store.services import service_history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.runtime.monitor.causes.since import Since
    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.store.services import Service

NEAR = timedelta(hours=1)
"""By how much something may lie before the earliest moment of the change and still be named."""
MOST = 8
_CHAIN = frozenset({"approved", "overridden"})
_WORDS = {
    "deploy": "was deployed",
    "release": "was released",
    "weights": "got another share of the traffic",
    "shadow": "became the shadow",
    "alternate": "became the alternate",
    "rollback": "took over again",
    "restore": "was put back",
    "stop": "was stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Something that is on record near the change; `minutes` is its distance from it, negative: before."""

    kind: str
    at: datetime
    says: str
    minutes: float

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "at": self.at.isoformat()}


def changed_then(look: Look, since: Since) -> list[Changed]:
    """Give what changed from an hour before the change on, until its latest moment: the nearest to it first."""
    begin, end = since.earliest - NEAR, max(since.latest, since.earliest) + timedelta(minutes=1)
    found = [*_service(look, begin, end), *_chain(look, begin, end), *_data(look, begin, end)]
    moment = since.latest
    named = [
        Changed(kind=kind, at=at, says=f"{at:%Y-%m-%d %H:%M} UTC: {says}", minutes=(at - moment).total_seconds() / 60)
        for kind, at, says in found
    ]
    return sorted(named, key=lambda one: (abs(one.minutes), one.says))[:MOST]


_Event = tuple[str, datetime, str]


def _service(look: Look, begin: datetime, end: datetime) -> Iterator[_Event]:
    """Give the changes of the service, a new version with what is new in it."""
    states = service_history(look.store, look.context.workflow, look.config.environment)
    for before, state in zip([None, *states], states, strict=False):
        change = state.change
        if change is None or not begin <= datetime.fromisoformat(change.at) <= end:
            continue
        live = state.primary
        subject = f"version {live.version}" if live and change.action != "stop" else state.name
        reason = f" ({change.reason})" if change.reason else ""
        said = f"{subject} {_WORDS[change.action]} by {change.by}{reason}"
        yield "release", datetime.fromisoformat(change.at), said
        for more in _between(look, before, state):
            yield "version", datetime.fromisoformat(change.at), more


def _between(look: Look, before: Service | None, after: Service) -> list[str]:
    """Say how the version that took over was made otherwise than the one before, from the records of both runs."""
    old, new = before.primary if before else None, after.primary
    if old is None or new is None or old.model.digest == new.model.digest:
        return []
    runs = []
    for served in (old, new):
        lineage = read_manifest(look.store, served.model.to_dict()).get("meta", {}).get("lineage", {})
        runs.append((str(lineage.get("identity", "")).partition("/")[0], str(lineage.get("run_id", ""))))
    (workflow, earlier), (other, later) = runs
    if not earlier or not later or workflow != other or earlier == later:
        return []
    try:
        changes = changes_between(look.store, workflow, earlier, later)
    except MlopsError:
        return []
    return [f"version {new.version} differs: {change.says}" for change in changes.changes[:3]]


def _chain(look: Look, begin: datetime, end: datetime) -> Iterator[_Event]:
    """Give the decisions of people; what they led to is among the changes of the service."""
    chain = Chain(look.store, look.context.workflow)
    for number in reversed(chain.numbers()):
        entry = chain.read(number)
        at = datetime.fromisoformat(entry.at)
        if at < begin - timedelta(days=1):
            return
        if entry.kind in _CHAIN and begin <= at <= end:
            why = f" ({entry.reason})" if entry.reason else ""
            yield entry.kind, at, f"{entry.subject.partition('/')[2]}: {entry.kind} by {entry.by}{why}"


def _data(look: Look, begin: datetime, end: datetime) -> Iterator[_Event]:
    """Give the new versions of the workflow's datasets; of each the newest are read first, and no more than needed."""
    folder = f"{look.context.workflow}/versions"
    for name in look.store.files.list(folder):
        key = f"{folder}/{name}"
        for revision in reversed(revisions(look.store, key)):
            data = read_revision(look.store, key, revision).data
            at = datetime.fromisoformat(data["at"])
            if at < begin or str(data["run"]).startswith(MONITORING):
                break
            if at <= end:
                said = f"{name} has a new version {revision} of {data['rows']:,} rows, by run {data['run']}"
                yield "data", at, said
