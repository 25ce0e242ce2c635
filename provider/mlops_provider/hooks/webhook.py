"""Webhooks: an HTTP connection that takes JSON."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from mlops_provider.exceptions import ServiceError


class WebhookHook(BaseHook):
    """Posts JSON to the address of an HTTP connection.

    The path is the extra `path`; the password is sent as a bearer token.
    """

    conn_name_attr = "http_conn_id"
    conn_type = "http"
    hook_name = "Webhook"

    def __init__(self, http_conn_id: str) -> None:
        super().__init__()
        self.http_conn_id = http_conn_id

    def post(self, message: dict[str, Any]) -> None:
        """Post a message; ServiceError (which is retried) when it is not taken.

        The error never shows the address: with many services the path is the secret.
        """
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
            response = httpx.post(f"{url}{path}", json=message, headers=headers, timeout=30)
        except (httpx.HTTPError, httpx.InvalidURL) as err:
            raise self._not_taken(type(err).__name__) from None
        if not response.is_success:
            raise self._not_taken(f"status {response.status_code}")

    def _not_taken(self, why: str) -> ServiceError:
        hint = "look at its host, port and extra 'path' in Airflow's connections"
        return ServiceError(f"connection '{self.http_conn_id}' did not take the message: {why}", hint=hint)
