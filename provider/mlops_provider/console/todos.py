"""Routes of to-dos: which there are, and how one is ticked off with a note."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mlops_provider.console.answers import open_store, read_said, status_of
from mlops_provider.console.todo_page import todo_page
from mlops_provider.exceptions import DecisionRefusedError, MlopsError
from mlops_provider.store.standing import Actor
from mlops_provider.store.todos import list_todos, tick_off

if TYPE_CHECKING:
    from mlops_provider.store.todos import Todo

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
_HEADERS = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store"}
_MAY_TICK = [Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL))]

router = APIRouter(tags=["To-dos"])


@router.get("/todos")
def todos(request: Request, user: GetUserDep, accept: Annotated[str, Header()] = "") -> Response:
    """Give the to-dos of the workflows whose DAGs the user may read: a page for browsers, otherwise JSON."""
    found = _readable(user)
    if "text/html" in accept:
        return HTMLResponse(todo_page(found, request.scope.get("root_path", ""), user.get_name()), headers=_HEADERS)
    return JSONResponse([asdict(todo) for todo in found])


@router.post("/dags/{dag_id}/todos/{which}", dependencies=_MAY_TICK)
def tick(
    dag_id: str, which: str, request: Request, user: GetUserDep, said: Annotated[Any, Depends(read_said)]
) -> Response:
    """Tick a to-do off: 403 for whose it is not, 409 where somebody was first, 422 without a note."""
    body, form = said
    root = request.scope.get("root_path", "")
    actor = Actor(workflow=dag_id, identity=f"todo/{which}", run="", by=_name(user), reason=str(body.get("note") or ""))
    try:
        done = tick_off(open_store(), dag_id, which, actor)
    except MlopsError as err:
        status = status_of(err) if isinstance(err, DecisionRefusedError) else 404
        if form:
            html = todo_page(_readable(user), root, user.get_name(), message=str(err))
            return HTMLResponse(html, status_code=status, headers=_HEADERS)
        raise HTTPException(status, str(err)) from err
    return RedirectResponse(f"{root}/todos", status_code=303) if form else JSONResponse(asdict(done))


def _readable(user: Any) -> list[Todo]:
    allowed = get_auth_manager().get_authorized_dag_ids(user=user)
    return [todo for todo in list_todos(open_store()) if todo.workflow in allowed]


def _name(user: Any) -> str:
    """Give the name under which roles know a user."""
    return str(user.get_name())
