"""Small JSON documents that change by compare-and-set and keep their history.

Revision n of a document is the file `<key>/<n, ten digits>.json`, created only if it does not exist yet: two
writers of one revision cannot both succeed, and nothing is ever overwritten.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConflictError, DamagedDocumentError
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Document:
    """A document in one of its revisions; revision 0 is the empty one before the first."""

    key: str
    revision: int
    data: dict[str, Any]


def revisions(store: Store, key: str) -> list[int]:
    """Give the revisions that there are, oldest first."""
    return [int(name.removesuffix(".json")) for name in store.files.list(key) if name.endswith(".json")]


def read_document(store: Store, key: str) -> Document:
    """Read the latest revision."""
    found = revisions(store, key)
    return read_revision(store, key, found[-1]) if found else Document(key, 0, {})


def history(store: Store, key: str) -> list[Document]:
    """Read all revisions, oldest first."""
    return [read_revision(store, key, revision) for revision in revisions(store, key)]


def write_document(store: Store, key: str, data: dict[str, Any], *, after: int) -> Document:
    """Write the revision that follows `after`; ConflictError when another writer was first."""
    revision = after + 1
    if not store.files.create(f"{key}/{revision:0{_DIGITS}d}.json", json_bytes(data)):
        raise ConflictError(store.uri(key), after)
    return Document(key, revision, data)


def read_revision(store: Store, key: str, revision: int) -> Document:
    """Read one revision; DamagedDocumentError when it is not JSON."""
    try:
        return Document(key, revision, json.loads(store.files.read(f"{key}/{revision:0{_DIGITS}d}.json")))
    except ValueError as err:
        raise DamagedDocumentError(store.uri(f"{key}/{revision:0{_DIGITS}d}.json"), str(err)) from err
