"""Model servers that follow the deployment record: nobody starts or ends them here, the record is what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.targets.target import Instance, Progress
from mlops_provider.store.service_reports import live_reports
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from mlops_provider.store.placements import Placement
    from mlops_provider.store.store import Store


class ServerTarget:
    """The record of a store, and what servers report of it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def apply(self, placement: Placement) -> None:
        """Do nothing: the record was changed, servers follow."""

    def look(self, placement: Placement) -> Progress:
        """Say whether every live server that has seen the record runs the version."""
        state = read_service(self.store, placement.workflow, placement.environment)
        reports = live_reports(self.store, placement.workflow, placement.environment)
        said = {report.server_id: report.status(placement.model) for report in reports}
        failed = [f"{server}: {message}" for server, (status, message) in said.items() if status == "failed"]
        if failed:
            return Progress(status="failed", said="; ".join(failed))
        behind = [report.server_id for report in reports if report.revision < state.revision]
        if reports and not behind and all(status == "ready" for status, _ in said.values()):
            return Progress(status="ready", said=f"{len(reports)} model servers run it")
        return Progress(status="waiting", said="no model server runs it" if not reports else str(said))

    def url(self, placement: Placement) -> str:
        """Give the address of the first server."""
        return next((instance.name for instance in self.status(placement)), "")

    def settle(self, placement: Placement) -> None:
        """Do nothing: servers let go of what the record no longer names."""

    def explain(self, placement: Placement) -> str:
        """Give what the servers say."""
        return self.look(placement).said

    def status(self, placement: Placement) -> list[Instance]:
        """Give the live servers."""
        found = []
        for report in live_reports(self.store, placement.workflow, placement.environment):
            status, message = report.status(placement.model)
            found.append(Instance(name=report.url, version=placement.version, status=status, message=message))
        return found

    def stop(self, placement: Placement) -> None:
        """Do nothing more: without versions in the record, servers hold no model."""

    def logs(self, placement: Placement, lines: int) -> str:  # noqa: ARG002 (the contract's)
        """Refuse: servers write to their own standard error."""
        raise ConfigError(
            f"the logs of {placement.name} are with its model servers", hint="'mlops serve' writes to standard error"
        )
