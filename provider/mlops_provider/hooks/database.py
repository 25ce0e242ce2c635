"""Databases behind Airflow connections, as SQLAlchemy URLs."""

from __future__ import annotations

from airflow.sdk import BaseHook

from mlops_provider.exceptions import ConfigError

_DRIVERS = {"postgres": "postgresql+psycopg2", "mysql": "mysql+pymysql", "mssql": "mssql+pyodbc"}


class DatabaseHook(BaseHook):
    """Gives the address of a database; of types that are not listed here the type's own Airflow hook gives it."""

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    def url(self) -> str:
        """Give the SQLAlchemy URL, with its password."""
        from sqlalchemy.engine import URL

        connection = self.get_connection(self.conn_id)
        kind = str(connection.conn_type)
        if kind == "sqlite":
            return f"sqlite:///{connection.host}"
        if kind in _DRIVERS:
            options = {key: str(value) for key, value in connection.extra_dejson.items() if not key.startswith("__")}
            url = URL.create(
                _DRIVERS[kind],
                username=connection.login,
                password=connection.password,
                host=connection.host,
                port=connection.port,
                database=connection.schema,
                query=options,
            )
            return url.render_as_string(hide_password=False)
        hook = connection.get_hook()
        if not hasattr(hook, "get_uri"):
            raise ConfigError(f"connection '{self.conn_id}' of type '{kind}' is not a database")
        return str(hook.get_uri())
