"""Prometheus behind an HTTP connection."""

from __future__ import annotations

import json

from airflow.sdk import BaseHook


class PrometheusHook(BaseHook):
    """Gives the address of a Prometheus server, or of what speaks its HTTP API (Thanos, Mimir, VictoriaMetrics).

    The path is the extra `path`. With a login it is basic authentication, a password alone is a bearer token.
    """

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    def address(self) -> str:
        """Give url, and token or user and password, as JSON."""
        connection = self.get_connection(self.conn_id)
        host = connection.host or ""
        url = host if "://" in host else f"{connection.schema or 'http'}://{host}"
        url += f":{connection.port}" if connection.port else ""
        known = {"url": f"{url}{connection.extra_dejson.get('path', '')}"}
        if connection.login:
            known |= {"user": connection.login, "password": connection.password or ""}
        elif connection.password:
            known |= {"token": connection.password}
        return json.dumps(known)
