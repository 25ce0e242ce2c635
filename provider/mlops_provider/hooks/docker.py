"""Docker engines, and the registry that one pulls from, behind Airflow connections."""

from __future__ import annotations

import json

from airflow.sdk import BaseHook

_CERTIFICATES = ("ca_cert", "client_cert", "client_key")


class DockerEngineHook(BaseHook):
    """Reads a connection of type `docker`: host, login and password are a registry's, as in Docker's own provider.

    Extras: `engine` is the engine's URL (default: DOCKER_HOST), `ca_cert`, `client_cert` and `client_key` are paths of
    the certificates that it wants.
    """

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    def address(self) -> str:
        """Give what the docker target connects with, as JSON."""
        connection = self.get_connection(self.conn_id)
        extra = connection.extra_dejson
        about = {
            "engine": extra.get("engine", ""),
            "certificates": {name: extra[name] for name in _CERTIFICATES if extra.get(name)},
            "registry": f"{connection.host or ''}{f':{connection.port}' if connection.port else ''}",
            "username": connection.login or "",
            "password": connection.password or "",
        }
        return json.dumps({name: value for name, value in about.items() if value})
