"""Routes of signed links: the token is who you are and what you may do, one decision on one question.

Opening a link shows the evidence and a form, and changes nothing: programs that look at mail open links too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, HTTPException, Response
from fastapi.responses import HTMLResponse

from mlops_provider.console.answers import Answer, evidence_of, open_store, question_of, read_answer, status_of, take
from mlops_provider.console.approval_page import approval_page, message_page
from mlops_provider.console.approvals import PAGE_POLICY
from mlops_provider.decision_link import Claims, link_keys, read_link
from mlops_provider.exceptions import DecisionRefusedError, EvidenceChangedError, MlopsError
from mlops_provider.runtime.approval.ledger import Decision, Tally, may_not_decide

if TYPE_CHECKING:
    from mlops_provider.runtime.approval.request import Request as Question
    from mlops_provider.store.store import Store

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY.replace("frame-ancestors 'self'", "frame-ancestors 'none'"),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}

router = APIRouter(tags=["Signed links"])


@router.get("/decide/{token}")
def open_link(token: str) -> Response:
    """Show the evidence and ask for confirmation; nothing is decided."""
    try:
        store, question, claims = asked_by(token)
        return _page(store, question, claims)
    except MlopsError as err:
        return _refused(err)


@router.post("/decide/{token}")
def use_link(token: str, said: Annotated[Answer, Depends(read_answer)]) -> Response:
    """Take the decision of the person whose link it is."""
    try:
        store, question, claims = asked_by(token)
        decision = Decision(
            choice=said.choice,  # type: ignore[arg-type] # read_answer gives no other
            user=claims.user,
            reason=said.reason,
            evidence=claims.evidence,
            via="link",
            link=claims.id,
        )
        try:
            take(store, question, decision)
        except DecisionRefusedError as err:
            return _page(store, question, claims, message=str(err), reason=said.reason, status=status_of(err))
        return _page(store, question, claims)
    except MlopsError as err:
        return _refused(err)


def asked_by(token: str) -> tuple[Store, Question, Claims]:
    """Read a link and what it is about; it serves for the question and the evidence that it was made for only."""
    claims, store = read_link(token, link_keys()), open_store()
    try:
        question = question_of(store, claims.workflow, claims.run, claims.phase)
    except HTTPException as err:
        raise EvidenceChangedError(claims.evidence, "", "nothing") from err
    if question.digest != claims.request:
        raise EvidenceChangedError(claims.evidence, question.evidence, question.about())
    may_not_decide(question, claims.user)
    return store, question, claims


def _page(
    store: Store, question: Question, claims: Claims, *, message: str = "", reason: str = "", status: int = 200
) -> Response:
    tally = Tally.read(store, question)
    before = tally.of(claims.user)
    why_not = f"you have {before.kind} it; this link serves once" if before else ""
    why_not = why_not or ("" if tally.status == "waiting" else "there is nothing to decide any more")
    html = approval_page(
        tally,
        evidence_of(store, question),
        action="",
        user=claims.user,
        why_not=why_not,
        message=message,
        reason=reason,
    )
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _refused(error: MlopsError) -> Response:
    return HTMLResponse(message_page("This link does not serve", str(error)), status_of(error), headers=_HEADERS)
