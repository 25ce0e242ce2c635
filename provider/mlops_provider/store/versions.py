"""The versions of a dataset: what a phase's output was, run after run; the last is the latest.

A version is a revision of a small document, so that of two writers each gets a version of its own and none is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConflictError, NotFoundInStoreError
from mlops_provider.refs import DatasetRef
from mlops_provider.store.documents import history, read_document, write_document

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

_TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A dataset as a phase gave it; `number` counts from 1."""

    name: str
    number: int
    ref: DatasetRef
    run: str
    owner: str
    at: str


def add_version(store: Store, workflow: str, name: str, ref: DatasetRef, *, run: str, owner: str, at: str) -> Version:
    """Make a dataset the latest version of `name` ('phase.output'); a retry of the same run adds none."""
    key = _key(workflow, name)
    relative = store.key(ref.uri)
    data = {"key": relative, "digest": ref.digest, "rows": ref.rows, "run": run, "owner": owner, "at": at}
    for _ in range(_TRIES):
        before = read_document(store, key)
        if (before.data.get("run"), before.data.get("digest")) == (run, ref.digest):
            return _version(store, name, before.revision, before.data)
        try:
            return _version(store, name, write_document(store, key, data, after=before.revision).revision, data)
        except ConflictError:
            continue
    raise ConflictError(store.uri(key), before.revision)


def latest_version(store: Store, workflow: str, name: str) -> Version:
    """Give the latest version; NotFoundInStoreError where there is none."""
    document = read_document(store, _key(workflow, name))
    if document.revision == 0:
        raise NotFoundInStoreError(f"{store.uri(workflow)}: dataset {name}")
    return _version(store, name, document.revision, document.data)


def all_versions(store: Store, workflow: str, name: str) -> list[Version]:
    """Give all versions, oldest first."""
    documents = history(store, _key(workflow, name))
    return [_version(store, name, document.revision, document.data) for document in documents]


def dataset_names(store: Store, workflow: str) -> list[str]:
    """Give the datasets of a workflow, as 'phase.output'."""
    return store.files.list(f"{workflow}/versions")


def _key(workflow: str, name: str) -> str:
    return f"{workflow}/versions/{name}"


def _version(store: Store, name: str, number: int, data: dict[str, Any]) -> Version:
    ref = DatasetRef(uri=store.uri(data["key"]), digest=data["digest"], rows=data["rows"])
    return Version(name=name, number=number, ref=ref, run=data["run"], owner=data["owner"], at=data["at"])
