"""Container registries behind Airflow connections, and secrets that are kept as the password of one."""

from __future__ import annotations

from urllib.parse import quote

from airflow.sdk import BaseHook

from mlops_provider.exceptions import ConfigError


class RegistryHook(BaseHook):
    """Gives the address of a registry from a connection of any type that has host, login and password."""

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    def address(self) -> str:
        """Give `scheme://user:password@host:port`."""
        connection = self.get_connection(self.conn_id)
        scheme, _, host = (connection.host or "").rpartition("://")
        if not host:
            raise ConfigError(f"connection '{self.conn_id}' has no host", hint="the registry, as registry.example.com")
        port = f":{connection.port}" if connection.port else ""
        user, password = quote(connection.login or "", safe=""), quote(connection.password or "", safe="")
        return f"{scheme or 'https'}://{user}:{password}@{host.rstrip('/')}{port}"

    def secret(self) -> str:
        """Give the password."""
        connection = self.get_connection(self.conn_id)
        if not connection.password:
            raise ConfigError(
                f"connection '{self.conn_id}' has no password",
                hint="it is the secret: a token, or a private key as PEM",
            )
        return str(connection.password)
