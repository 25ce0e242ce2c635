"""Services: the deployment record that decides what runs, and what the model servers report about it.

The record of `<workflow>/<environment>` is a compare-and-set document; its revisions are its history. A change
carries an id: the same change asked for twice (a retry after a crash) happens once.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.exceptions import ConfigError, ConflictError, ServiceError, ServiceFailedError
from mlops_provider.refs import ModelRef
from mlops_provider.store.documents import history, read_document, write_document
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.documents import Document
    from mlops_provider.store.store import Store

Action = Literal["deploy", "release", "rollback", "restore"]
ALIVE_SECONDS = 10.0
_FORGOTTEN_SECONDS = 3600.0
_POLL_SECONDS = 0.2
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """A model version and its share of the traffic in percent."""

    version: str
    model: ModelRef
    weight: int = 100

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make it from its JSON form."""
        model = {key: item for key, item in value["model"].items() if key != "kind"}
        return cls(version=value["version"], model=ModelRef(**model), weight=value["weight"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who changed a service, how, when and why; `id` makes a retry recognisable."""

    id: str
    action: Action
    by: str
    at: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The state of a service: what should run. Revision 0: nothing was ever deployed."""

    workflow: str
    environment: str
    revision: int = 0
    versions: tuple[ServedVersion, ...] = ()
    previous: ServedVersion | None = None
    change: Change | None = None

    @property
    def name(self) -> str:
        """Name of the service: `<workflow>/<environment>`."""
        return f"{self.workflow}/{self.environment}"

    @property
    def key(self) -> str:
        """Key of the record in the store."""
        return f"{self.workflow}/services/{self.environment}/record"

    @property
    def primary(self) -> ServedVersion | None:
        """The version with most of the traffic."""
        return max(self.versions, key=lambda version: version.weight, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, as it stands in the record."""
        return {
            "service": self.name,
            "versions": [asdict(version) for version in self.versions],
            "previous": asdict(self.previous) if self.previous else None,
            "change": asdict(self.change) if self.change else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """What one model server says: where it is, and for each version whether it is loading, ready or failed."""

    server_id: str
    url: str
    at: str
    revision: int
    versions: dict[str, dict[str, str]] = field(default_factory=dict)

    def age(self) -> float:
        """Give the seconds since the report was written."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.at)).total_seconds()

    def status(self, digest: str) -> tuple[str, str]:
        """Give status and message of the version with a digest."""
        for state in self.versions.values():
            if state["digest"] == digest:
                return state["status"], state.get("message", "")
        return "unknown", ""


def read_service(store: Store, workflow: str, environment: str) -> Service:
    """Read what should run."""
    empty = Service(workflow=workflow, environment=environment)
    return _service(empty, read_document(store, empty.key))


def service_history(store: Store, workflow: str, environment: str) -> list[Service]:
    """Read all states that a service has been in, oldest first."""
    empty = Service(workflow=workflow, environment=environment)
    return [_service(empty, document) for document in history(store, empty.key)]


def list_services(store: Store) -> list[Service]:
    """Read every service in the store."""
    return [
        read_service(store, workflow, environment)
        for workflow in store.files.list("")
        for environment in store.files.list(f"{workflow}/services")
    ]


def set_version(store: Store, workflow: str, environment: str, version: ServedVersion, change: Change) -> Service:
    """Give a version all the traffic; the state that is reached.

    A change that has been made already is not made again: the state is then the latest, which may be another's.
    """
    for _ in range(_ATTEMPTS):
        states = service_history(store, workflow, environment)
        ids = [state.change.id for state in states if state.change]
        if ids.count(change.id) > ids.count(_undone(change.id)):
            return states[-1]
        current = states[-1] if states else Service(workflow=workflow, environment=environment)
        before = current.primary
        previous = before if before and before.model.digest != version.model.digest else current.previous
        try:
            return _write(store, replace(current, versions=(version,), previous=previous, change=change))
        except ConflictError:
            time.sleep(_POLL_SECONDS)
    raise ServiceError(f"{workflow}/{environment} is changed by others all the time; try again")


def roll_back(store: Store, workflow: str, environment: str, change: Change) -> Service:
    """Give the previous version all the traffic."""
    current = read_service(store, workflow, environment)
    if current.previous is None:
        raise ConfigError(f"{current.name} has no previous version to roll back to")
    return set_version(store, workflow, environment, current.previous, change)


def restore(store: Store, broken: Service, reason: str) -> Service:
    """Put back what ran before the change that led to `broken`, unless somebody has changed it since."""
    states = service_history(store, broken.workflow, broken.environment)
    if states[-1].revision != broken.revision:
        return states[-1]
    before = states[-2] if len(states) > 1 else replace(broken, versions=(), previous=None)
    made = broken.change or Change(id="", action="restore", by="", at="")
    change = Change(id=_undone(made.id), action="restore", by=made.by, at=now(), reason=reason)
    try:
        return _write(store, replace(before, revision=broken.revision, change=change))
    except ConflictError:
        return read_service(store, broken.workflow, broken.environment)


def write_report(store: Store, workflow: str, environment: str, report: ServerReport) -> None:
    """Write a server's report."""
    store.files.write(_report_key(workflow, environment, report.server_id), json_bytes(asdict(report)))


def remove_report(store: Store, workflow: str, environment: str, server_id: str) -> None:
    """Take a server's report back: it ends."""
    store.files.delete(_report_key(workflow, environment, server_id))


def all_reports(store: Store, workflow: str, environment: str) -> list[ServerReport]:
    """Read the reports of all servers, also of dead ones that could not take theirs back."""
    folder = f"{workflow}/services/{environment}/servers"
    reports = []
    for name in store.files.list(folder):
        try:
            reports.append(ServerReport(**json.loads(store.files.read(f"{folder}/{name}"))))
        except (FileNotFoundError, ValueError, TypeError):  # just removed, or not ours
            continue
    return reports


def live_reports(store: Store, workflow: str, environment: str) -> list[ServerReport]:
    """Read the reports of servers that are alive."""
    return [report for report in all_reports(store, workflow, environment) if report.age() < ALIVE_SECONDS]


def sweep_reports(store: Store, workflow: str, environment: str) -> None:
    """Remove the reports of servers that have been dead for long."""
    for report in all_reports(store, workflow, environment):
        if report.age() > _FORGOTTEN_SECONDS:
            remove_report(store, workflow, environment, report.server_id)


def wait_until_ready(store: Store, service: Service, digest: str, timeout: float) -> list[ServerReport]:
    """Wait until every live server has seen this state of the service and reports the digest ready.

    ServiceError says what each server said, or that there is none; one that cannot run the version ends the wait
    at once with ServiceFailedError.
    """
    deadline = time.monotonic() + timeout
    while True:
        reports = live_reports(store, service.workflow, service.environment)
        current = [report for report in reports if report.revision >= service.revision]
        states = {report.server_id: report.status(digest) for report in current}
        failed = [f"{server}: {message}" for server, (status, message) in states.items() if status == "failed"]
        if failed:
            raise ServiceFailedError(f"{service.name} cannot run the version: {'; '.join(failed)}")
        if reports and len(current) == len(reports) and all(status == "ready" for status, _ in states.values()):
            return reports
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    if not reports:
        raise ServiceError(
            f"no model server follows {service.name}", hint=f"start one: mlops serve {service.name} --store {store.url}"
        )
    said = "; ".join(
        f"{report.server_id} says '{' '.join(report.status(digest)).strip()}' at revision {report.revision}"
        for report in reports
    )
    raise ServiceError(f"{service.name} was not ready at revision {service.revision} within {timeout:.0f} s: {said}")


def now() -> str:
    """Give the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _undone(change_id: str) -> str:
    return f"{change_id}#undone"


def _report_key(workflow: str, environment: str, server_id: str) -> str:
    return f"{workflow}/services/{environment}/servers/{server_id}.json"


def _service(empty: Service, document: Document) -> Service:
    if document.revision == 0:
        return empty
    data = document.data
    return replace(
        empty,
        revision=document.revision,
        versions=tuple(ServedVersion.from_dict(version) for version in data["versions"]),
        previous=ServedVersion.from_dict(data["previous"]) if data["previous"] else None,
        change=Change(**data["change"]) if data["change"] else None,
    )


def _write(store: Store, service: Service) -> Service:
    document = write_document(store, service.key, service.to_dict(), after=service.revision)
    return replace(service, revision=document.revision)
