"""The decisions of people: entries of the audit chain, made under rules, counted.

The rules are checked against the entries that stand at the moment of the append, by compare-and-set: of two people at
once neither is lost, and nobody answers twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.exceptions import (
    DecisionClosedError,
    DecisionForbiddenError,
    DecisionIncompleteError,
    EvidenceChangedError,
)
from mlops_provider.runtime.contract import now
from mlops_provider.store.chain import Chain, Entry

if TYPE_CHECKING:
    from mlops_provider.runtime.approval.request import Request
    from mlops_provider.store.store import Store

APPROVED, REJECTED, EXPIRED = "approved", "rejected", "expired"
Choice = Literal["approved", "rejected"]
Status = Literal["waiting", "approved", "rejected", "expired"]
MAX_REASON = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One person's answer. `evidence` is the digest of what was shown; `via` the way it came, `link` the link's id."""

    choice: Choice
    user: str
    name: str = ""
    reason: str = ""
    evidence: str = ""
    via: str
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a request stands: its decisions, oldest first, and what they come to."""

    request: Request
    entries: tuple[Entry, ...] = ()

    @classmethod
    def read(cls, store: Store, request: Request) -> Self:
        """Read it from the audit chain."""
        chain = Chain(store, request.workflow)
        return cls(request=request, entries=_entries(chain, request, chain.latest(request.subject)))

    @property
    def decisions(self) -> tuple[Entry, ...]:
        """The entries that people made."""
        return tuple(entry for entry in self.entries if entry.kind != EXPIRED)

    @property
    def approvals(self) -> int:
        """How many approved."""
        return sum(entry.kind == APPROVED for entry in self.entries)

    @property
    def status(self) -> Status:
        """What it comes to: one rejection rejects, enough approvals approve, the end of the time expires it."""
        kinds = {entry.kind for entry in self.entries}
        if REJECTED in kinds:
            return "rejected"
        if self.approvals >= self.request.needed:
            return "approved"
        return "expired" if EXPIRED in kinds or self.request.expired() else "waiting"

    def said(self) -> str:
        """Say how it stands, in a sentence without a full stop."""
        who = ", ".join(entry.by for entry in self.entries if entry.kind == self.status)
        if self.status == "expired":
            return f"it is rejected: its time ended at {self.request.until[:19]} UTC, {self.count()}"
        if self.status == "waiting":
            return self.count()
        return f"it was {self.status} by {who}"

    def count(self) -> str:
        """Say how many have approved."""
        return f"{self.approvals} of {self.request.needed} approved" if self.decisions else "nobody has decided"

    def of(self, user: str, name: str = "") -> Entry | None:
        """Give a person's decision."""
        return next((entry for entry in self.decisions if _is(entry, user, name)), None)

    def to_list(self) -> list[dict[str, Any]]:
        """Give the decisions as JSON, each with its entry in the chain."""
        return [
            {
                "choice": entry.kind,
                "by": entry.payload["by"],
                "reason": entry.reason,
                "at": entry.at,
                "via": entry.payload["via"],
                "evidence": entry.payload["evidence"],
                "entry": {"number": entry.number, "hash": entry.hash},
            }
            for entry in self.decisions
        ]


def decide(store: Store, request: Request, decision: Decision) -> Tally:
    """Put a decision into the audit chain; give how the request stands then. Raises DecisionRefusedError."""
    chain = Chain(store, request.workflow)

    def made(current: Entry | None) -> Entry:
        tally = Tally(request=request, entries=_entries(chain, request, current))
        refuse(tally, decision)
        return _entry(request, decision)

    chain.append(request.subject, made)
    return Tally.read(store, request)


def expire(store: Store, request: Request) -> Tally:
    """Put the end of the time into the audit chain, once, where the request has not come to an end otherwise."""
    chain = Chain(store, request.workflow)

    def made(current: Entry | None) -> Entry | None:
        entries = _entries(chain, request, current)
        tally = Tally(request=request, entries=entries)
        if tally.status in {"approved", "rejected"} or any(entry.kind == EXPIRED for entry in entries):
            return None
        return _entry(request, None, reason=f"{tally.count()} until {request.until}")

    chain.append(request.subject, made)
    return Tally.read(store, request)


def refuse(tally: Tally, decision: Decision) -> None:
    """Raise where a decision is not allowed; the kind of error says whether by right, by time or for what it lacks."""
    request, who = tally.request, decision.name or decision.user
    may_not_decide(request, decision.user, decision.name)
    if decision.link and (used := next((e for e in tally.decisions if e.payload["link"] == decision.link), None)):
        raise DecisionClosedError(f"this link was used at {used.at[:19]} UTC: it serves once", hint=tally.said())
    if before := tally.of(decision.user, decision.name):
        raise DecisionClosedError(
            f"{who} has {before.kind} this already, at {before.at[:19]} UTC", hint="one person answers once"
        )
    if decision.evidence != request.evidence:
        raise EvidenceChangedError(decision.evidence, request.evidence, request.about())
    if tally.status != "waiting":
        raise DecisionClosedError(f"nothing is to be decided any more: {tally.said()}")
    if not decision.reason.strip() and (decision.choice == REJECTED or request.reason == "required"):
        raise DecisionIncompleteError(
            f"{'a rejection' if decision.choice == REJECTED else 'an approval'} needs a reason",
            hint="say in a sentence why; it stays on record",
        )
    if len(decision.reason) > MAX_REASON:
        raise DecisionIncompleteError(f"the reason has {len(decision.reason):,} characters, at most {MAX_REASON:,}")


def may_not_decide(request: Request, user: str, name: str = "") -> None:
    """Raise DecisionForbiddenError where a person may not decide: an author, or somebody who was not named."""
    names = {user, name} - {""}
    if names & set(request.authors):
        raise DecisionForbiddenError(
            f"{name or user} is an author of this change and may not decide on it",
            hint="somebody else decides; author_may_approve: true in the workflow file would allow it",
        )
    if request.approvers and not names & set(request.approvers):
        raise DecisionForbiddenError(
            f"{name or user} may not decide on this", hint=f"who may: {', '.join(request.deciders())}"
        )


def _entries(chain: Chain, request: Request, latest: Entry | None) -> tuple[Entry, ...]:
    """Give the entries of a request, oldest first: none is older than the question."""
    found, digest = [], request.digest
    while latest is not None and latest.number > request.after:
        if latest.payload["request"] == digest:
            found.append(latest)
        latest = chain.before(latest)
    return tuple(reversed(found))


def _entry(request: Request, decision: Decision | None, *, reason: str = "") -> Entry:
    person = {"id": decision.user, "name": decision.name or decision.user} if decision else None
    return Entry(
        kind=decision.choice if decision else EXPIRED,
        subject=request.subject,
        workflow=request.workflow,
        by=person["name"] if person else "nobody",
        run=request.run,
        at=now(),
        reason=decision.reason.strip() if decision else reason,
        payload={
            "phase": request.phase,
            "round": request.round,
            "request": request.digest,
            "evidence": request.evidence,
            "models": [dict(each) for each in request.models],
            "by": person,
            "via": decision.via if decision else "",
            "link": decision.link if decision else "",
            "needed": request.needed,
            "authors": list(request.authors),
        },
    )


def _is(entry: Entry, user: str, name: str) -> bool:
    person = entry.payload["by"]
    return bool(person) and bool({user, name} & {person["id"], person["name"]} - {""})
