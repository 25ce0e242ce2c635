"""The directory: which service a path means, who may use it, and which model answers now."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from mlops_provider.serving.answers import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.serving.follower import Follower
    from mlops_provider.serving.host import Host
    from mlops_provider.serving.model import ServedModel


class Directory:
    """Finds hosts and models by the parts of a path; refuses with 401, 404 or 503."""

    def __init__(self, follower: Follower, token: str = "") -> None:
        self.follower = follower
        self._expected = f"Bearer {token}".encode() if token else b""

    def authorize(self, header: bytes) -> None:
        """Refuse callers without the token, where there is one."""
        if self._expected and not secrets.compare_digest(header, self._expected):
            raise RefusedError(401, "a token is needed", "send 'Authorization: Bearer <token>'")

    def host(self, where: Mapping[str, Any]) -> Host:
        """Give the host of a service: the only one, or the one that `workflow` and `environment` name."""
        workflow, environment = where.get("workflow"), where.get("environment")
        key = (workflow, environment) if workflow and environment else self.follower.only
        host = self.follower.hosts.get(key) if key else None
        if host is None:
            known = ", ".join(f"/{workflow}/{environment}" for workflow, environment in sorted(self.follower.hosts))
            raise RefusedError(404, "there is no such service here", f"services: {known or 'none yet'}")
        name = where.get("name") or host.workflow
        if name != host.workflow:
            raise RefusedError(404, f"there is no model '{name}' here", f"its name is {host.workflow}")
        return host

    def model(self, where: Mapping[str, Any]) -> tuple[Host, ServedModel]:
        """Give host and active model; a `version` must be the active one."""
        host = self.host(where)
        served = host.active
        if served is None:
            raise RefusedError(503, f"{host.name} has no model yet", host.reason())
        version = where.get("version") or served.version.version
        if version != served.version.version:
            raise RefusedError(404, f"version {version} does not answer", f"version {served.version.version} does")
        return host, served
