"""The champion of a service: the version whose answers a release would replace, asked in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_provider.store.placements import read_placement
from mlops_provider.store.service_reports import live_reports
from mlops_provider.store.services import ServedVersion, Service, read_service

if TYPE_CHECKING:
    from mlops_provider.refs import ServiceRef
    from mlops_provider.store.store import Store

PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Rival:
    """Where the champion answers, or None; `note` says which version it is, or why there is none to compare with."""

    url: str | None
    version: ServedVersion | None
    note: str
    shared: bool = False
    """Others answer there too: it is asked by its own path."""


def find_rival(store: Store, service: ServiceRef, state: Service) -> Rival:
    """Find the champion: of the same environment where it has more versions, else of production."""
    others = [found for found in state.versions if found.model.digest != service.digest]
    if others:
        version = max(others, key=lambda found: found.weight)
        return Rival(service.url, version, f"the champion is version {version.version} of {service.name}", shared=True)
    live = read_service(store, state.workflow, PRODUCTION)
    primary = live.primary
    if primary is None or state.environment == PRODUCTION:
        return Rival(None, None, "there is no champion to compare with yet")
    if primary.model.digest == service.digest:
        return Rival(None, None, f"{live.name} runs the same model: there is nothing to compare with")
    ready = [
        report
        for report in live_reports(store, state.workflow, PRODUCTION)
        if report.status(primary.model.digest)[0] == "ready"
    ]
    note = f"the champion is version {primary.version} of {live.name}"
    if not ready:
        placed = read_placement(store, state.workflow, PRODUCTION)
        if placed and placed.state == "running" and placed.model == primary.model.digest and placed.url:
            return Rival(placed.url, primary, note)
        return Rival(None, None, f"no model server answers for {live.name}, version {primary.version}")
    return Rival(ready[0].url, primary, note, shared=len(live.versions) > 1)
