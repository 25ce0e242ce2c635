"""The contract of every place where a service can run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.placements import Placement
    from mlops_provider.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a placement is. `said` is a sentence; `again` says of what failed whether a later try may go well."""

    status: Literal["waiting", "ready", "failed"]
    said: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One thing that runs: a server, a container, a pod."""

    name: str
    version: str
    status: str
    message: str = ""


class Target(Protocol):
    """A place. Every call can be made again: what is done already is not done twice."""

    def apply(self, placement: Placement) -> None:
        """Ask for what the placement says, beside what runs; nothing that answers is taken away yet."""

    def look(self, placement: Placement) -> Progress:
        """Say whether it answers; without waiting."""

    def url(self, placement: Placement) -> str:
        """Say where clients reach it; '' where that is known only when it runs."""

    def settle(self, placement: Placement) -> None:
        """End what is no longer wanted, gracefully; called when the placement answers."""

    def explain(self, placement: Placement) -> str:
        """Say why it does not answer: what the place itself says, and the last lines of the logs."""

    def status(self, placement: Placement) -> list[Instance]:
        """Give what runs of the service, wanted or not."""

    def stop(self, placement: Placement) -> None:
        """End all that runs of the service and remove what belongs to it."""

    def logs(self, placement: Placement, lines: int) -> str:
        """Give the last lines of each instance's log."""


def open_target(store: Store, placement: Placement, connections: Mapping[str, str]) -> Target:
    """Open the place of a placement; `connections` are the addresses of engines and clusters, by connection id."""
    address = connections.get(placement.connection, "")
    if placement.target == "docker":
        from mlops_provider.runtime.targets.docker import DockerTarget

        return DockerTarget.connect(store, address)
    if placement.target == "kubernetes":
        from mlops_provider.runtime.targets.kubernetes import KubernetesTarget

        return KubernetesTarget.connect(address)
    if placement.target == "kserve":
        from mlops_provider.runtime.targets.kserve import KServeTarget

        return KServeTarget.connect(address)
    from mlops_provider.runtime.targets.server import ServerTarget

    return ServerTarget(store)
