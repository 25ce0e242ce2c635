"""What the model servers say about a service: where each is, and for each version whether it is loading or ready."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ServiceError, ServiceFailedError
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.store.services import Service
    from mlops_provider.store.store import Store

ALIVE_SECONDS = 10.0
_FORGOTTEN_SECONDS = 3600.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """What one model server says: where it is, and for each version whether it is loading, ready or failed.

    `trouble` is what keeps it from following the record. `at` is the server's clock; `modified` the store's, in seconds
    since 1970, known once the report was read: a server whose clock is wrong is not taken for dead.
    """

    server_id: str
    url: str
    at: str
    revision: int
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    trouble: str = ""
    modified: float | None = field(default=None, compare=False)

    def age(self) -> float:
        """Give the seconds since the report was written, by the clock that is nearer to ours."""
        now = datetime.now(UTC).timestamp()
        said = abs(now - datetime.fromisoformat(self.at).timestamp())
        return said if self.modified is None else min(said, abs(now - self.modified))

    def status(self, digest: str) -> tuple[str, str]:
        """Give status and message of the version with a digest."""
        for state in self.versions.values():
            if state["digest"] == digest:
                return state["status"], state.get("message", "")
        return "unknown", ""


def write_report(store: Store, workflow: str, environment: str, report: ServerReport) -> None:
    """Write a server's report."""
    content = {name: value for name, value in asdict(report).items() if name != "modified"}
    store.files.write(_report_key(workflow, environment, report.server_id), json_bytes(content))


def remove_report(store: Store, workflow: str, environment: str, server_id: str) -> None:
    """Take a server's report back: it ends."""
    store.files.delete(_report_key(workflow, environment, server_id))


def all_reports(store: Store, workflow: str, environment: str) -> list[ServerReport]:
    """Read the reports of all servers, also of dead ones that could not take theirs back."""
    reports = []
    for key, info in sorted(store.files.walk(f"{workflow}/services/{environment}/servers")):
        if key.rpartition("/")[2].startswith("."):  # being written
            continue
        try:
            reports.append(ServerReport(**{**json.loads(store.files.read(key)), "modified": info.modified}))
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
        silent = [
            f"{found.server_id} {found.age():.0f} s ago"
            for found in all_reports(store, service.workflow, service.environment)
        ]
        raise ServiceError(
            f"no model server follows {service.name}" + (f"; the last reports: {', '.join(silent)}" if silent else ""),
            hint=f"start one: mlops serve {service.name} --store {store.url}",
        )
    said = "; ".join(
        f"{report.server_id} says '{' '.join(report.status(digest)).strip()}' at revision {report.revision}"
        + (f" ({report.trouble})" if report.trouble else "")
        for report in reports
    )
    raise ServiceError(f"{service.name} was not ready at revision {service.revision} within {timeout:.0f} s: {said}")


def _report_key(workflow: str, environment: str, server_id: str) -> str:
    return f"{workflow}/services/{environment}/servers/{server_id}.json"
