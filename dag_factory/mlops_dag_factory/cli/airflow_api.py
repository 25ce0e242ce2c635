"""A person's session with a running Airflow over HTTP, for commands that act in their name."""

from __future__ import annotations

import os
from typing import Any, Self

import click
import httpx

_TIMEOUT_SECONDS = 60


class AirflowSession:
    """Calls below the address of an Airflow, as one of its users; click.ClickException says what is wrong."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_SECONDS)

    @classmethod
    def open(cls, url: str, user: str) -> Self:
        """Take the token of MLOPS_AIRFLOW_TOKEN, or log in with a password that is asked for or in the environment."""
        token = os.environ.get("MLOPS_AIRFLOW_TOKEN", "")
        if token:
            return cls(url, token)
        if not user:
            raise click.UsageError("who are you? Set MLOPS_AIRFLOW_TOKEN, or give --user")
        password = os.environ.get("MLOPS_AIRFLOW_PASSWORD") or click.prompt("password", hide_input=True, err=True)
        login = {"username": user, "password": password}
        answer = _called(lambda: httpx.post(f"{url.rstrip('/')}/auth/token", json=login, timeout=_TIMEOUT_SECONDS), url)
        return cls(url, str(_read(answer)["access_token"]))

    def get(self, path: str) -> Any:
        """Give the JSON of an address."""
        return _read(_called(lambda: self._client.get(f"{self.url}{path}"), self.url))

    def post(self, path: str, body: Any) -> Any:
        """Send JSON; give the JSON of the answer."""
        return _read(_called(lambda: self._client.post(f"{self.url}{path}", json=body), self.url))


def _called(call: Any, url: str) -> httpx.Response:
    try:
        return call()  # type: ignore[no-any-return]
    except (httpx.HTTPError, httpx.InvalidURL) as err:
        raise click.ClickException(f"no Airflow answers at {url}: {err}") from err


def _read(answer: httpx.Response) -> Any:
    try:
        said = answer.json()
    except ValueError as err:
        raise click.ClickException(f"{answer.url} answered {answer.status_code}, not JSON") from err
    if answer.is_error:
        why = said.get("detail", said) if isinstance(said, dict) else said
        raise click.ClickException(f"refused ({answer.status_code}): {why}")
    return said
