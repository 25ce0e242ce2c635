"""The pages of audits and of explanations of single answers: where one comes from, and why it is what it is."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 (FastAPI reads the annotations)
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, Header, HTTPException, Response
from fastapi.responses import HTMLResponse, JSONResponse

from mlops_provider.console.answers import open_store
from mlops_provider.exceptions import ConfigError, DataError, MlopsError
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.runtime.audit.trail import Trail

router = APIRouter(dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))])
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}


@router.get("/dags/{dag_id}/requests/{request_id}/audit")
def request_audit(
    dag_id: str, request_id: str, row: int = 0, since: datetime | None = None, accept: Annotated[str, Header()] = ""
) -> Response:
    """Follow a row that this workflow's services answered back to its origins: a page for browsers, otherwise JSON."""
    from mlops_provider.runtime.audit.gather import audit_request

    return _trail(lambda: audit_request(open_store(), request_id, row=row, workflow=dag_id, since=since), accept)


@router.get("/dags/{dag_id}/requests/{request_id}/explanation")
def request_explanation(
    dag_id: str, request_id: str, row: int = 0, since: datetime | None = None, accept: Annotated[str, Header()] = ""
) -> Response:
    """Say what each feature of a row contributed to its answer: a page for browsers, otherwise JSON."""
    from mlops_provider.runtime.audit.gather import explain_request
    from mlops_provider.runtime.explanation.single_page import single_page

    try:
        found = explain_request(open_store(), request_id, row=row, workflow=dag_id, since=since)
    except MlopsError as err:
        raise _refused(err) from err
    return _answer(lambda: single_page(found), found.to_dict(), accept)


@router.get("/dags/{dag_id}/runs/{run_id}/audit")
def run_audit(dag_id: str, run_id: str, accept: Annotated[str, Header()] = "") -> Response:
    """Follow what a run registered back to its origins."""
    from mlops_provider.runtime.audit.gather import audit_run

    return _trail(lambda: audit_run(open_store(), dag_id, run_id), accept)


@router.get("/dags/{dag_id}/versions/{version}/audit")
def version_audit(dag_id: str, version: str, name: str = "", accept: Annotated[str, Header()] = "") -> Response:
    """Follow a version that this workflow registered, by its name (default: the workflow's), back to its origins."""
    from mlops_provider.runtime.audit.gather import audit_version

    def audit() -> Trail:
        trail = audit_version(open_store(), name or dag_id, version)
        maker = trail.link("registration").data.get("workflow")
        if maker != dag_id:
            raise ConfigError(f"version {version} of '{name or dag_id}' was not registered by {dag_id}")
        return trail

    return _trail(audit, accept)


def _trail(audit: Callable[[], Trail], accept: str) -> Response:
    from mlops_provider.runtime.audit.page import trail_page

    try:
        trail = audit()
    except MlopsError as err:
        raise _refused(err) from err
    return _answer(lambda: trail_page(trail), trail.to_dict(), accept)


def _answer(page: Callable[[], str], data: object, accept: str) -> Response:
    if "text/html" in accept:
        return HTMLResponse(page(), headers=_POLICY)
    return Response(json_bytes(data), media_type=JSONResponse.media_type)


def _refused(error: MlopsError) -> HTTPException:
    return HTTPException(404 if isinstance(error, ConfigError | DataError) else 500, str(error))
