"""Webhooks: an HTTP connection that takes JSON."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from mlops_provider.exceptions import ServiceError


class WebhookHook(BaseHook):
    """Posts JSON to the address of an HTTP connection; its password is sent as a bearer token."""

    conn_name_attr = "http_conn_id"
    conn_type = "http"
    hook_name = "Webhook"

    def __init__(self, http_conn_id: str) -> None:
        super().__init__()
        self.http_conn_id = http_conn_id

    def post(self, message: dict[str, Any]) -> None:
        """Post a message; ServiceError (which is retried) when it is not taken."""
        import httpx

        connection = self.get_connection(self.http_conn_id)
        host = connection.host or ""
        scheme = connection.schema or "http"
        url = host if "://" in host else f"{scheme}://{host}"
        if connection.port:
            url = f"{url}:{connection.port}"
        headers = {"Authorization": f"Bearer {connection.password}"} if connection.password else {}
        path = connection.extra_dejson.get("path", "")
        try:
            httpx.post(f"{url}{path}", json=message, headers=headers, timeout=30).raise_for_status()
        except httpx.HTTPError as err:
            raise ServiceError(f"connection '{self.http_conn_id}' did not take the message: {err}") from err
