"""The console: phase records, reports, approvals as pages. Every route asks who you are and what you may do."""

from __future__ import annotations

import json
import mimetypes
from functools import lru_cache
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mlops_provider.console import approvals, audits, metrics, signed_links, todos
from mlops_provider.console.pages import record_page
from mlops_provider.runtime.evaluation.evidently_page import EvidentlyError, drawn
from mlops_provider.settings import Settings
from mlops_provider.store.store import MANIFEST, Store

if TYPE_CHECKING:
    from mlops_provider.runtime.records import Record

MONITOR_SUFFIX = ".monitor"
_MAY_READ = [Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))]
# Reports carry scripts of their own (plots); the sandbox keeps them from Airflow's cookies and API.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; connect-src data:"
)
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

app = FastAPI(title="MLOps console", docs_url="/docs", redoc_url=None, openapi_url="/openapi.json")
app.include_router(approvals.router)
app.include_router(audits.router)
app.include_router(metrics.router)
app.include_router(signed_links.router)
app.include_router(todos.router)


@app.exception_handler(HTTPException)
async def to_login(request: Request, error: HTTPException) -> Response:
    """Send a browser that is not logged in to the login and back; everyone else gets the error."""
    page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if error.status_code == HTTPStatus.UNAUTHORIZED and page:
        return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)))
    return await http_exception_handler(request, error)


@app.get("/dags/{dag_id}/runs/{run_id}/phases/{phase}", dependencies=_MAY_READ)
def phase_records(dag_id: str, run_id: str, phase: str, accept: Annotated[str, Header()] = "") -> Response:
    """Give the records of a phase, one per attempt, the latest first: a page for browsers, otherwise JSON."""
    store = _store()
    workflow = dag_id.removesuffix(MONITOR_SUFFIX)
    run = f"monitor__{run_id}" if dag_id != workflow else run_id
    folder = f"{workflow}/runs/{quote(run, safe='')}/{quote(phase, safe='@')}"
    records: list[Record] = [json.loads(store.files.read(f"{folder}/{name}")) for name in store.files.list(folder)]
    records.reverse()
    if not records:
        raise HTTPException(404, f"phase {phase} of run {run_id} has left no record")
    if "text/html" not in accept:
        return JSONResponse(records)
    return HTMLResponse(record_page(dag_id, records), headers={"Content-Security-Policy": _PAGE_POLICY})


@app.get("/dags/{dag_id}/reports/{digest}/{name}", dependencies=_MAY_READ)
def report_file(dag_id: str, digest: str, name: str) -> Response:
    """Give a file of a report of this workflow."""
    store = _store()
    folder = f"{dag_id.removesuffix(MONITOR_SUFFIX)}/reports/{quote(digest, safe='')}"
    try:
        manifest: dict[str, Any] = json.loads(store.files.read(f"{folder}/{MANIFEST}"))
    except FileNotFoundError as err:
        raise HTTPException(404, f"there is no report {digest}") from err
    if name not in manifest["files"]:
        if made := _evidently(folder, name):
            kind = "application/json" if name.endswith(".json") else "text/html"
            return Response(made, media_type=kind, headers={"Content-Security-Policy": _REPORT_POLICY})
        raise HTTPException(404, f"the report has no '{name}'; it has: {', '.join(manifest['files'])}")
    kind = mimetypes.guess_type(PurePosixPath(name).name)[0] or "text/plain"
    content = store.files.read(f"{folder}/{name}")
    return Response(content, media_type=kind, headers={"Content-Security-Policy": _REPORT_POLICY})


@lru_cache(maxsize=8)  # its making takes five seconds, reports never change
def _evidently(folder: str, name: str) -> bytes | None:
    try:
        return drawn(_store(), folder, name)
    except EvidentlyError as err:
        raise HTTPException(502, str(err)) from err


def _store() -> Store:
    return Store(Settings.from_airflow().store_url)
