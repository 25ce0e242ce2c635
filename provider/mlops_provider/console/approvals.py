"""Routes for people who are logged in to Airflow: what waits, the evidence of a question, a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mlops_provider.console.answers import (
    Answer,
    evidence_of,
    follow,
    open_store,
    question_of,
    read_answer,
    status_of,
    take,
    to_json,
)
from mlops_provider.console.approval_page import approval_page, inbox_page
from mlops_provider.console.waiting_tasks import waiting_tasks
from mlops_provider.exceptions import DecisionForbiddenError, DecisionRefusedError
from mlops_provider.runtime.approval.ledger import Decision, Tally, may_not_decide
from mlops_provider.runtime.approval.request import latest_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.store.store import Store

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'self'; "
    "base-uri 'none'"
)
_HEADERS = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store"}
_MAY_READ = [Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))]
_MAY_DECIDE = [Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL))]

router = APIRouter(tags=["Approvals"])


@router.get("/approvals")
def inbox(request: Request, user: GetUserDep, accept: Annotated[str, Header()] = "") -> Response:
    """Give all tasks that wait for people in the DAGs that the user may read: a page for browsers, otherwise JSON."""
    store = open_store()
    found = waiting_tasks(get_auth_manager().get_authorized_dag_ids(user=user))
    items = [(task, _state(store, task.dag_id, task.run_id, task.task_id, user)) for task in found]
    if _wants_page(accept):
        return HTMLResponse(inbox_page(items, request.scope.get("root_path", "")), headers=_HEADERS)
    return JSONResponse(
        [
            {
                "workflow": task.dag_id,
                "run": task.run_id,
                "phase": task.task_id,
                "question": task.question,
                "since": task.since.isoformat(),
                "approval": state or None,
            }
            for task, state in items
        ]
    )


@router.get("/dags/{dag_id}/runs/{run_id}/approvals/{phase}", dependencies=_MAY_READ)
def approval(
    dag_id: str, run_id: str, phase: str, request: Request, user: GetUserDep, accept: Annotated[str, Header()] = ""
) -> Response:
    """Give a question with its evidence and how it stands: a page with a form for browsers, otherwise JSON."""
    store = open_store()
    tally = Tally.read(store, question_of(store, dag_id, run_id, phase))
    follow(tally)
    if _wants_page(accept):
        return _page(store, tally, request, user)
    said = {"evidence_shown": evidence_of(store, tally.request).to_dict(), "why_not": _why_not(tally, user)}
    return JSONResponse({**to_json(tally), **said})


@router.post("/dags/{dag_id}/runs/{run_id}/approvals/{phase}", dependencies=_MAY_DECIDE)
def answer(
    dag_id: str,
    run_id: str,
    phase: str,
    request: Request,
    user: GetUserDep,
    said: Annotated[Answer, Depends(read_answer)],
) -> Response:
    """Take a decision: 403 for who may not, 409 where it is over, was given already or is about other evidence."""
    store = open_store()
    question = question_of(store, dag_id, run_id, phase)
    decision = Decision(
        choice=said.choice,  # type: ignore[arg-type] # read_answer gives no other
        user=str(user.get_id()),
        name=user.get_name(),
        reason=said.reason,
        evidence=said.evidence,
        via="console" if said.form else "rest",
    )
    try:
        tally = take(store, question, decision)
    except DecisionRefusedError as err:
        if said.form:
            shown = Tally.read(store, question)
            return _page(store, shown, request, user, message=str(err), reason=said.reason, status=status_of(err))
        raise HTTPException(status_of(err), str(err)) from err
    return RedirectResponse(request.url.path, status_code=303) if said.form else JSONResponse(to_json(tally))


def _page(
    store: Store, tally: Tally, request: Request, user: Any, *, message: str = "", reason: str = "", status: int = 200
) -> Response:
    html = approval_page(
        tally,
        evidence_of(store, tally.request),
        action=request.url.path,
        user=user.get_name(),
        why_not=_why_not(tally, user),
        message=message,
        reason=reason,
        address=_addresses(tally, request.scope.get("root_path", "")),
    )
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _addresses(tally: Tally, root: str) -> Callable[[str, dict[str, Any] | None], str]:
    """Give where the pages of a phase are in the console."""
    folder = f"{root}/dags/{tally.request.workflow}"

    def address(phase: str, report: dict[str, Any] | None) -> str:
        if report:
            return f"{folder}/reports/{report['uri'].rsplit('/', 1)[-1]}/report.html"
        return f"{folder}/runs/{quote(tally.request.run, safe='')}/phases/{phase}"

    return address


def _why_not(tally: Tally, user: Any) -> str:
    """Say why a user cannot decide now; '' where they can."""
    question, person, name = tally.request, str(user.get_id()), user.get_name()
    if tally.status != "waiting":
        return "there is nothing to decide any more"
    if before := tally.of(person, name):
        return f"you have {before.kind} it"
    try:
        may_not_decide(question, person, name)
    except DecisionForbiddenError as err:
        return err.message
    details = DagDetails(id=question.workflow, team_name=DagModel.get_team_name(question.workflow))
    allowed = get_auth_manager().is_authorized_dag(
        method="PUT", access_entity=DagAccessEntity.HITL_DETAIL, details=details, user=user
    )
    return "" if allowed else "you may look, but not decide, by your rights in Airflow"


def _state(store: Store, workflow: str, run: str, phase: str, user: Any) -> dict[str, Any]:
    """Give how an approval stands; {} for what waits for another kind of answer."""
    question = latest_request(store, workflow, run, phase)
    if question is None:
        return {}
    tally = Tally.read(store, question)
    follow(tally)
    return {**to_json(tally), "why_not": _why_not(tally, user)}


def _wants_page(accept: str) -> bool:
    return "text/html" in accept
