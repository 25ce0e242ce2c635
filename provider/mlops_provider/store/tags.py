"""Tags of runs: words that people give a run, kept as a document with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from mlops_provider.exceptions import ConflictError
from mlops_provider.store.documents import read_document, write_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_provider.store.store import Store

_TRIES = 50


def read_tags(store: Store, workflow: str, run_id: str) -> dict[str, str]:
    """Give the tags of a run."""
    return dict(read_document(store, _key(workflow, run_id)).data)


def change_tags(
    store: Store, workflow: str, run_id: str, values: Mapping[str, str], *, remove: Iterable[str] = ()
) -> dict[str, str]:
    """Set and remove tags, whatever another writer does meanwhile; give all tags afterwards."""
    gone = set(remove)
    for _ in range(_TRIES):
        before = read_document(store, _key(workflow, run_id))
        after = {key: value for key, value in {**before.data, **values}.items() if key not in gone}
        if after == before.data:
            return after
        try:
            write_document(store, before.key, after, after=before.revision)
        except ConflictError:
            continue
        return after
    raise ConflictError(store.uri(before.key), before.revision)


def _key(workflow: str, run_id: str) -> str:
    return f"{workflow}/tags/{quote(run_id, safe='')}"
