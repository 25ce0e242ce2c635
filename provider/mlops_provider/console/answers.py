"""What is common to all ways to decide over HTTP: reading the answer, taking it, telling Airflow, refusing it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fastapi import HTTPException, Request

from mlops_provider.console.waiting_tasks import resume
from mlops_provider.exceptions import (
    DecisionForbiddenError,
    DecisionIncompleteError,
    DecisionRefusedError,
    LinkError,
    MlopsError,
)
from mlops_provider.runtime.approval.evidence import Evidence, read_evidence
from mlops_provider.runtime.approval.ledger import Decision, Tally, decide
from mlops_provider.runtime.approval.request import Request as Question
from mlops_provider.runtime.approval.request import latest_request
from mlops_provider.settings import Settings
from mlops_provider.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_BODY = 16_384
_OPTIONS = {"approved": "Approve", "rejected": "Reject"}
_CHOICES = {"approve": "approved", "reject": "rejected", "approved": "approved", "rejected": "rejected"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody sent: the decision, why, on which evidence; `form` where a page sent it."""

    choice: str
    reason: str
    evidence: str
    form: bool


async def read_said(request: Request) -> tuple[dict[str, Any], bool]:
    """Read the body of a form (True) or a map in JSON; refuse what another site makes a browser send."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(403, "this came from another site")
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > _LONGEST_BODY:
        raise HTTPException(413, f"an answer has at most {_LONGEST_BODY} bytes, and says how many")
    body = await request.body()
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    try:
        said: Any = {key: value[0] for key, value in parse_qs(body.decode()).items()} if form else json.loads(body)
    except ValueError as err:
        raise HTTPException(422, "this is neither a form nor JSON") from err
    if not isinstance(said, dict):
        raise HTTPException(422, "a map is needed")
    return said, form


async def read_answer(request: Request) -> Answer:
    """Read what somebody decided."""
    said, form = await read_said(request)
    try:
        choice = _CHOICES[str(said["choice"]).lower()]
    except KeyError as err:
        example = '{"choice": "approve", "reason": "…", "evidence": "<digest>"}'
        raise HTTPException(422, f"an answer is {example}; the choice is approve or reject") from err
    return Answer(choice, str(said.get("reason") or ""), str(said.get("evidence") or ""), form)


def open_store() -> Store:
    """Open the store of the deployment."""
    return Store(Settings.from_airflow().store_url)


def question_of(store: Store, workflow: str, run: str, phase: str) -> Question:
    """Give what is asked; 404 where nothing is."""
    found = latest_request(store, workflow, run, phase)
    if found is None:
        raise HTTPException(404, f"{phase} of run {run} of {workflow} has asked nobody")
    return found


def evidence_of(store: Store, question: Question) -> Evidence:
    """Read the evidence of a question."""
    return read_evidence(store, question.report)


def take(store: Store, question: Question, decision: Decision) -> Tally:
    """Record a decision; where it ends the matter, let Airflow's task go on. Raises DecisionRefusedError."""
    try:
        tally = decide(store, question, decision)
    except DecisionRefusedError:
        follow(Tally.read(store, question))  # the process may have died between the two the last time
        raise
    follow(tally)
    return tally


def follow(tally: Tally) -> None:
    """Let Airflow's task go on where people have decided; nothing happens where it went on already.

    A process that died between the last decision and this leaves a task that waits for nothing: whoever looks at it
    next, in whatever way, lets it go on.
    """
    option = _OPTIONS.get(tally.status)
    if option:
        person, question = tally.entries[-1].payload["by"], tally.request
        resume(
            question.workflow,
            question.run,
            question.phase,
            option=option,
            user=person["id"],
            name=person["name"],
        )


def status_of(error: MlopsError) -> int:
    """Give the HTTP status of a refusal."""
    if isinstance(error, DecisionForbiddenError | LinkError):
        return 403
    return 422 if isinstance(error, DecisionIncompleteError) else 409


def to_json(tally: Tally) -> dict[str, Any]:
    """Give how a question stands as JSON."""
    question = tally.request
    asked: Mapping[str, Any] = {
        "workflow": question.workflow,
        "run": question.run,
        "phase": question.phase,
        "round": question.round,
        "models": [dict(each) for each in question.models],
        "evidence": question.evidence,
        "approvers": question.deciders(),
        "authors": list(question.authors),
        "needed": question.needed,
        "reason": question.reason,
        "asked": question.asked,
        "until": question.until,
    }
    return {**asked, "status": tally.status, "said": tally.said(), "decisions": tally.to_list()}
