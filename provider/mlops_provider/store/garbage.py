"""Garbage collection: what nothing needs any more goes, whatever needs something is followed to the end.

Needed is what any document of the workflow names by its digest: records of runs, versions, services and their history,
the cache, the monitor; and what needed content is made of. With an age, runs that ended before it no longer count, but
registered models, services, baselines and the latest versions do. What is younger than the grace stays: a publication
may be on its way into a record.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.store.documents import read_document
from mlops_provider.store.store import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.store.store import Store

KINDS = ("datasets", "models", "reports", "images")
DIGITS = 20
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_LATEST_ONLY = frozenset({"versions", "cache", "ingest"})


@dataclass(frozen=True, slots=True)
class Garbage:
    """Content that nothing needs: its key, its size in bytes, and why it is garbage."""

    key: str
    size: int
    why: str


def find_garbage(
    store: Store, workflow: str, *, keep: timedelta | None = None, grace: timedelta = timedelta(days=1)
) -> list[Garbage]:
    """Give what may go; `keep` is the age after which runs no longer hold what they made (None: they always do)."""
    now = datetime.now(UTC).timestamp()
    needed = _needed(store, workflow, now - keep.total_seconds() if keep is not None else None)
    found: list[Garbage] = []
    for kind in KINDS:
        for name in store.files.list(f"{workflow}/{kind}"):
            key = f"{workflow}/{kind}/{name}"
            files = dict(store.files.walk(key))
            size = sum(info.size for info in files.values())
            youngest = max((info.modified for info in files.values()), default=0.0)
            if name in needed or now - youngest < grace.total_seconds():
                continue
            whole = f"{key}/{MANIFEST}" in files
            found.append(Garbage(key, size, "nothing needs it" if whole else "its publication was cut short"))
    return found


def remove_garbage(store: Store, garbage: list[Garbage], *, grace: timedelta = timedelta(days=1)) -> list[Garbage]:
    """Remove what was found, the manifest first, unless it was published again meanwhile; give what was removed."""
    removed = []
    for each in garbage:
        files = dict(store.files.walk(each.key))
        youngest = max((info.modified for info in files.values()), default=0.0)
        if datetime.now(UTC).timestamp() - youngest < grace.total_seconds():
            continue
        for key in sorted(files, key=lambda key: not key.endswith(f"/{MANIFEST}")):
            store.files.delete(key)
        removed.append(each)
    return removed


def _needed(store: Store, workflow: str, since: float | None) -> set[str]:
    """Give the folder names of all content that is needed, directly or by something that is."""
    waiting: set[str] = set()
    for text in _documents(store, workflow, since):
        waiting.update(digest[:DIGITS] for digest in _DIGEST.findall(text))
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        for kind in KINDS:
            key = f"{workflow}/{kind}/{name}"
            if store.files.exists(f"{key}/{MANIFEST}"):
                waiting.update(_made_of(store, key) - needed)
    return needed


def _made_of(store: Store, key: str) -> set[str]:
    """Give what published content is made of: its lineage, and for a view its datasets."""
    manifest = json.loads(store.files.read(f"{key}/{MANIFEST}"))
    texts = [json.dumps(manifest["meta"])]
    texts += [store.files.read(f"{key}/{name}").decode() for name in manifest["files"] if name == "view.json"]
    return {digest[:DIGITS] for text in texts for digest in _DIGEST.findall(text)}


def _documents(store: Store, workflow: str, since: float | None) -> Iterator[str]:
    """Give the text of every document that may name content."""
    for room in store.files.list(workflow):
        if room in KINDS or room == "predictions":
            continue
        if since is not None and room in _LATEST_ONLY:
            for name in store.files.list(f"{workflow}/{room}"):
                yield json.dumps(read_document(store, f"{workflow}/{room}/{name}").data)
            continue
        for key, _ in store.files.walk(f"{workflow}/{room}"):
            if key.endswith(".json"):
                text = store.files.read(key).decode()
                if since is None or room != "runs" or _counts(json.loads(text), since):
                    yield text


def _counts(record: dict[str, Any], since: float) -> bool:
    """Say whether a record still holds what it names: it is young, or made a registered model or a service."""
    lasting = record.get("phase_type") in {"register", "deploy", "release"}
    return lasting or datetime.fromisoformat(record["ended"]).timestamp() >= since
