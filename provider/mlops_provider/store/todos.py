"""To-dos: what a person is asked to do, and how it was ticked off. A document each, changed by compare-and-set."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import (
    ConflictError,
    DecisionClosedError,
    DecisionForbiddenError,
    DecisionIncompleteError,
    MlopsError,
)
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.documents import read_document, write_document
from mlops_provider.store.standing import now

if TYPE_CHECKING:
    from mlops_provider.store.standing import Actor
    from mlops_provider.store.store import Store

_OPENED = 1
"""The revision in which a to-do is open; ticking it off is the second and last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """One to-do: `text` is what is to be done and `why`; `users` are who may tick it off, all where it names none.

    `source` names what opened it, `report` is where to look; `done_by`, `done_at` and `note` say how it ended.
    """

    id: str
    workflow: str
    environment: str
    text: str
    why: str
    role: str
    users: tuple[str, ...]
    source: str
    report: str
    opened_at: str
    done_by: str = ""
    done_at: str = ""
    note: str = ""

    @property
    def open(self) -> bool:
        """Whether nobody has ticked it off."""
        return not self.done_at

    @classmethod
    def of(cls, data: dict[str, Any]) -> Todo:
        """Read it from a document."""
        return cls(**{**data, "users": tuple(data["users"])})


def todo_id(source: str) -> str:
    """Give the id of the to-do that a source opens: the same for every try."""
    return hashlib.sha256(source.encode()).hexdigest()[:10]


def open_todo(store: Store, todo: Todo) -> Todo:
    """Open a to-do; one of this id that is there already stays as it is."""
    document = read_document(store, _key(todo.workflow, todo.id))
    if document.revision:
        return Todo.of(document.data)
    write_document(store, document.key, asdict(todo), after=0)
    return todo


def list_todos(store: Store, workflow: str = "") -> list[Todo]:
    """Give the to-dos of a workflow, or of all: the open ones first, then the latest first."""
    workflows = [workflow] if workflow else store.files.list("")
    keys = [_key(name, each) for name in workflows for each in store.files.list(f"{name}/todos")]
    documents = [read_document(store, key) for key in keys]
    found = [Todo.of(document.data) for document in documents if document.revision]  # 0: who opened it died before
    latest = sorted(found, key=lambda todo: todo.opened_at, reverse=True)
    return sorted(latest, key=lambda todo: not todo.open)


def tick_off(store: Store, workflow: str, which: str, actor: Actor) -> Todo:
    """Tick a to-do off with a note (the actor's reason), and put that into the audit chain.

    `which` is its id or the beginning of it. DecisionForbiddenError for somebody whose it is not,
    DecisionClosedError where somebody was first, DecisionIncompleteError without a note.
    """
    todos = list_todos(store, workflow)
    found = [todo for todo in todos if which and todo.id.startswith(which)]
    if len(found) != 1:
        open_ones = ", ".join(todo.id for todo in todos if todo.open) or "none"
        word = "several to-dos begin" if found else "no to-do begins"
        raise MlopsError(f"{workflow}: {word} with '{which}'", hint=f"open: {open_ones}")
    [todo] = found
    if not actor.reason.strip():
        raise DecisionIncompleteError("a to-do is ticked off with a note", hint="say what was found or done")
    if todo.users and actor.by not in todo.users:
        raise DecisionForbiddenError(f"{actor.by} may not tick off {todo.id}", hint=f"whose it is: {_whose(todo)}")
    if todo.open:
        ticked = replace(todo, done_by=actor.by, done_at=now(), note=actor.reason.strip())
        try:
            write_document(store, _key(workflow, todo.id), asdict(ticked), after=_OPENED)
            todo = ticked
        except ConflictError:  # somebody was first, this moment
            todo = Todo.of(read_document(store, _key(workflow, todo.id)).data)
    if (todo.done_by, todo.note) != (actor.by, actor.reason.strip()):
        at = todo.done_at[:16].replace("T", " ")
        raise DecisionClosedError(f"{todo.done_by} has ticked off {todo.id} at {at} UTC: {todo.note}")
    _note(store, todo)
    return todo


def _note(store: Store, todo: Todo) -> None:
    """Record it in the audit chain, once."""

    def entry(latest: Entry | None) -> Entry | None:
        if latest is not None:
            return None
        payload = {"todo": todo.id, "text": todo.text, "source": todo.source, "opened": todo.opened_at}
        return Entry(
            kind="todo_done",
            subject=subject,
            workflow=todo.workflow,
            by=todo.done_by,
            run="",
            at=todo.done_at,
            reason=todo.note,
            payload=payload,
        )

    subject = f"todo/{todo.id}"
    Chain(store, todo.workflow).append(subject, entry)


def _key(workflow: str, which: str) -> str:
    return f"{workflow}/todos/{which}"


def _whose(todo: Todo) -> str:
    return f"{todo.role} ({', '.join(todo.users)})" if todo.role else ", ".join(todo.users)
