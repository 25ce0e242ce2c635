"""The pages on which people decide: the evidence with who has decided and a form; what waits for whom."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_provider.runtime.approval.page import evidence_parts, nowhere
from mlops_provider.runtime.evaluation.tables import table
from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_provider.console.waiting_tasks import WaitingTask
    from mlops_provider.runtime.approval.evidence import Evidence
    from mlops_provider.runtime.approval.ledger import Tally

_STYLE = (
    "<style>.panel{border:1px solid #8886;border-radius:.5rem;padding:.2rem 1rem 1rem;margin:1rem 0}"
    "textarea{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}label{display:block;margin:.6rem 0 .2rem}"
    "button{font:inherit;font-weight:600;padding:.45rem 1.2rem;border-radius:.4rem;border:0;color:#fff;cursor:pointer;"
    "margin:.8rem .8rem 0 0}.yes{background:#2e7d32}.no{background:#c62828}.state{font-size:1.1rem;font-weight:600}"
    ".message{border-left:.4rem solid #c62828;padding:.3rem .8rem;white-space:pre-line}</style>"
)
_STATES = {"waiting": "warned", "approved": "passed", "rejected": "failed", "expired": "failed"}


def approval_page(
    tally: Tally,
    evidence: Evidence,
    *,
    action: str,
    user: str,
    why_not: str = "",
    message: str = "",
    reason: str = "",
    address: Callable[[str, dict[str, Any] | None], str] = nowhere,
) -> str:
    """Write the page of a question: how it stands, the form or why there is none, the evidence.

    `action` is where the form goes; `message` says why an answer was not taken, `reason` is what stood in it.
    """
    parts = [
        _STYLE,
        f"<p class=message role=alert>{escape(message)}</p>" if message else "",
        "<div class=panel>",
        f"<p class='state {_STATES[tally.status]}'>{_upper(escape(tally.said()))}</p>",
        _decisions(tally),
        f"<p class=dim>{_rules(tally)}</p>",
        f"<p>You are <b>{escape(user)}</b>. {escape(_upper(why_not))}</p>"
        if why_not
        else _form(tally, action, user, reason),
        "</div>",
        *evidence_parts(evidence, address),
    ]
    return page(evidence.question, *parts)


def message_page(title: str, message: str) -> str:
    """Write a page that says one thing."""
    return page(title, _STYLE, f"<p class=message role=alert>{escape(message)}</p>")


def inbox_page(items: Sequence[tuple[WaitingTask, dict[str, Any]]], root: str) -> str:
    """Write the page of what waits; each item with how it stands where it is an approval."""
    rows = []
    for task, state in items:
        run = quote(task.run_id, safe="")
        own = f"{root}/dags/{task.dag_id}/runs/{run}/approvals/{task.task_id}"
        theirs = f"{root.removesuffix('/mlops')}/dags/{task.dag_id}/runs/{run}/tasks/{task.task_id}/required_actions"
        target = f"<a href='{escape(own if state else theirs)}'>{escape(task.question)}</a>"
        rows.append(
            [
                target,
                f"{escape(task.dag_id)}<br><small>{escape(task.run_id)}</small>",
                escape(f"{task.since:%Y-%m-%d %H:%M} UTC"),
                escape(state.get("said", "")),
                escape(str(state.get("until", ""))[:16].replace("T", " ")),
                escape(state.get("why_not") or ("decide" if state else "answer in Airflow")),
            ]
        )
    head = ["question", "workflow and run", "since", "stands at", "until (UTC)", "you"]
    return page("What waits for people", table(head, rows) if rows else "<p>Nothing waits.</p>")


def _decisions(tally: Tally) -> str:
    rows = [
        [
            escape(entry.by),
            f"<span class={_STATES[entry.kind]}>{escape(entry.kind)}</span>",
            escape(entry.at[:16].replace("T", " ")),
            escape(entry.payload["via"]),
            escape(entry.reason),
            f"{entry.number}",
        ]
        for entry in tally.decisions
    ]
    return table(["who", "decided", "at (UTC)", "by way of", "reason", "entry"], rows) if rows else ""


def _rules(tally: Tally) -> str:
    request = tally.request
    who = ", ".join(request.deciders()) or "whoever may edit the run"
    said = [f"Who may decide: {escape(who)}. {request.needed} must approve; one rejection rejects."]
    if request.authors:
        said.append(f"Not the author: {escape(', '.join(request.authors))}.")
    if request.until:
        said.append(f"Without enough answers until {escape(request.until[:16].replace('T', ' '))} UTC it is rejected.")
    said.append(f"The evidence below has the digest <code>{request.evidence[:20]}</code>.")
    return " ".join(said)


def _form(tally: Tally, action: str, user: str, reason: str) -> str:
    request = tally.request
    needs = "Every decision needs one." if request.reason == "required" else "A rejection needs one."
    return (
        f"<form method=post action='{escape(action)}'>"
        f"<input type=hidden name=evidence value='{request.evidence}'>"
        f"<label for=reason>Reason; it stays on record. {needs}</label>"
        f"<textarea id=reason name=reason rows=3 maxlength=2000>{escape(reason)}</textarea>"
        f"<button class=yes name=choice value=approved>Approve as {escape(user)}</button>"
        f"<button class=no name=choice value=rejected>Reject as {escape(user)}</button></form>"
    )


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""
