"""What people are asked: one immutable document for each round of an approval."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote

from mlops_provider.exceptions import ConfigError, ConflictError
from mlops_provider.store.chain import Chain
from mlops_provider.store.store import json_bytes, json_digest

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

ROOM = "approvals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A question to people: may this run go on, on this evidence.

    `evidence` is the digest of the report that they decide on, `report` its URI; `models` are the versions that it is
    about (name, version, digest). `approvers` may decide (empty: whoever may edit the run), `authors` may not; `needed`
    of them must approve before `until`. `reason` says when one must give a reason: always for a rejection, for an
    approval where it is 'required'. `after` is the audit chain's last entry when it was asked; `round` counts from 1.
    """

    workflow: str
    run: str
    phase: str
    evidence: str
    report: str
    models: tuple[dict[str, str], ...] = ()
    approvers: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    needed: int = 1
    reason: str = "rejection"
    asked: str
    until: str = ""
    after: int = 0
    round: int = 1

    def __post_init__(self) -> None:
        """Refuse what can never be answered."""
        possible = self.deciders()
        if self.approvers and len(possible) < self.needed:
            left_out = [user for user in self.approvers if user in self.authors]
            because = f"; {', '.join(left_out)} is an author of the change and may not decide" if left_out else ""
            raise ConfigError(
                f"{self.phase} needs {self.needed} approvals, and only {len(possible)} may decide{because}",
                hint="name more approvers, or let the author decide with author_may_approve: true",
            )

    @property
    def digest(self) -> str:
        """The SHA-256 of the document."""
        return json_digest(asdict(self))

    @property
    def subject(self) -> str:
        """The subject of its decisions in the audit chain."""
        return f"approval/{self.phase}"

    def deciders(self) -> list[str]:
        """Give the approvers who are no authors; empty where everyone else may."""
        return [user for user in self.approvers if user not in self.authors]

    def expired(self) -> bool:
        """Say whether its time is over."""
        return bool(self.until) and datetime.fromisoformat(self.until) <= datetime.now(UTC)

    def about(self) -> str:
        """Say in a few words what it is about."""
        if not self.models:
            return f"evidence {self.evidence[:12]}"
        versions = [f"version {each['version']} of {each['name']} ({each['digest'][:12]})" for each in self.models]
        return versions[0] if len(versions) == 1 else f"{len(versions)} versions, {versions[0]} first"

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read the document."""
        value: dict[str, Any] = json.loads(content)
        names = {name: tuple(value[name]) for name in ("models", "approvers", "authors")}
        return cls(**{**value, **names})


def ask(store: Store, request: Request) -> Request:
    """Write a request; where one stands that was not concluded and is about the same evidence, give that one.

    So an attempt after a crash goes on with the answers that there are; a task that is run again after its end, or on
    other evidence, asks anew.
    """
    stands = latest_request(store, request.workflow, request.run, request.phase)
    if stands and stands.evidence == request.evidence and not _concluded(store, stands):
        return stands
    last = Chain(store, request.workflow).last()
    wanted = replace(request, after=last.number if last else 0, round=stands.round + 1 if stands else 1)
    if not store.files.create(_key(wanted), json_bytes(asdict(wanted))):
        raise ConflictError(store.uri(_key(wanted)), wanted.round - 1)
    return wanted


def latest_request(store: Store, workflow: str, run: str, phase: str) -> Request | None:
    """Read what is asked by a phase of a run, in its last round; None where nothing was asked."""
    folder = _folder(workflow, run, phase)
    names = store.files.list(folder)
    return Request.from_json(store.files.read(f"{folder}/{names[-1]}")) if names else None


def asked_in(store: Store, workflow: str, run: str) -> list[str]:
    """Give the phases of a run that asked people."""
    return [unquote(name) for name in store.files.list(f"{workflow}/{ROOM}/{quote(run, safe='')}")]


def _concluded(store: Store, request: Request) -> bool:
    """Say whether an attempt has recorded how it ended."""
    folder = f"{request.workflow}/runs/{quote(request.run, safe='')}/{request.phase}"
    records = (json.loads(store.files.read(f"{folder}/{name}")) for name in store.files.list(folder))
    return any((record.get("details") or {}).get("request") == request.digest for record in records)


def _key(request: Request) -> str:
    return f"{_folder(request.workflow, request.run, request.phase)}/{request.round:04d}.json"


def _folder(workflow: str, run: str, phase: str) -> str:
    return f"{workflow}/{ROOM}/{quote(run, safe='')}/{quote(phase, safe='')}"
