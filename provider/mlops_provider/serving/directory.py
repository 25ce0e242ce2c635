"""The directory: which service a path means, who may use it, and which model answers now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.serving.answers import RefusedError
from mlops_provider.serving.callers import ANYONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.serving.callers import Caller, Callers
    from mlops_provider.serving.follower import Follower
    from mlops_provider.serving.host import Host
    from mlops_provider.serving.model import ServedModel
    from mlops_provider.serving.model_folder import FolderFollower


class Directory:
    """Finds hosts and models by the parts of a path, for callers who may use them; refuses with 403, 404 or 503."""

    def __init__(self, follower: Follower | FolderFollower, callers: Callers) -> None:
        self.follower = follower
        self.callers = callers

    def host(self, where: Mapping[str, Any], caller: Caller = ANYONE) -> Host:
        """Give the host of a service: the only one, or the one that `workflow` and `environment` name."""
        workflow, environment = where.get("workflow"), where.get("environment")
        key = (workflow, environment) if workflow and environment else self.follower.only
        host = self.follower.hosts.get(key) if key else None
        if host is None:
            known = ", ".join(f"/{found.name}" for found in self.hosts(caller))
            raise RefusedError(404, "there is no such service here", f"services: {known or 'none yet'}")
        caller.require(host.name)
        name = where.get("name") or host.workflow
        if name != host.workflow:
            raise RefusedError(404, f"there is no model '{name}' here", f"its name is {host.workflow}")
        return host

    def hosts(self, caller: Caller) -> list[Host]:
        """Give the hosts of all services that a caller may use, by name."""
        return [host for _, host in sorted(self.follower.hosts.items()) if caller.may(host.name)]

    def named(self, host: Host, version: str | None) -> ServedModel:
        """Give the model of a version; of none: the one with most of the traffic."""
        lineup = host.lineup
        if lineup.primary is None:
            raise RefusedError(503, f"{host.name} has no model yet", host.reason())
        if not version:
            return lineup.primary
        served = lineup.named(version)
        if served is None:
            known = ", ".join(served.version.version for served in lineup.served)
            raise RefusedError(404, f"version {version} does not answer", f"these do: {known}")
        return served
