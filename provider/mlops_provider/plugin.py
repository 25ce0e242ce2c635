"""The Airflow plugin: mounts the console. Light, because every Airflow process loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_PATH = urlsplit(str(conf.get("api", "base_url", fallback="") or "")).path.rstrip("/")


async def console(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a request on to the console, which is imported when the first one comes."""
    from mlops_provider.console.app import app

    await app(scope, receive, send)


class MlopsPlugin(AirflowPlugin):
    """What the provider adds to Airflow's web server."""

    name = "mlops"
    fastapi_apps: ClassVar[list[Any]] = [{"app": console, "url_prefix": "/mlops", "name": "MLOps console"}]
    external_views: ClassVar[list[Any]] = [
        {"name": "Approvals", "href": f"{_PATH}/mlops/approvals", "url_route": "approvals", "category": "browse"},
        {"name": "To-dos", "href": f"{_PATH}/mlops/todos", "url_route": "todos", "category": "browse"},
    ]
