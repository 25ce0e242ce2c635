"""The cache of phases: what equal work gave before, believed only while everything that it gave is still whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_provider.exceptions import ConflictError, MlopsError
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.contract import Outcome
from mlops_provider.store.documents import read_document, write_document
from mlops_provider.verdicts import Verdict

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.store import Store

CACHEABLE = frozenset({"validate", "transform", "split", "train"})
"""The phase types whose outcome follows from their config and inputs alone."""


class Hit(NamedTuple):
    """An earlier outcome, or None, and in a sentence why."""

    outcome: Outcome | None
    why: str


def look_up(key: str, config: BaseModel, context: RunContext, allowed: bool | float) -> Hit:  # noqa: FBT001 (an age or not)
    """Find what equal work gave before; `allowed` is the age in seconds up to which it counts, True for any age."""
    if reason := _never(config, context, allowed=allowed is not False):
        return Hit(None, reason)
    store = context.store()
    entry = read_document(store, _key(context, key)).data
    if not entry:
        return Hit(None, "this work has not been done before")
    age = (datetime.now(UTC) - datetime.fromisoformat(entry["at"])).total_seconds()
    if allowed is not True and age > allowed:
        return Hit(None, f"what {entry['record']} gave is {age:.0f} s old, the limit is {allowed:.0f} s")
    try:
        return Hit(_outcome(store, entry), f"equal to {entry['record']}, {age:.0f} s old")
    except MlopsError as err:
        return Hit(None, f"what {entry['record']} gave is not whole any more: {err}")


def _never(config: BaseModel, context: RunContext, *, allowed: bool) -> str:
    if not allowed:
        return "the cache is off for this phase"
    if context.phase_type not in CACHEABLE:
        return f"'{context.phase_type}' looks at more than its inputs"
    return "its Python function may have changed" if getattr(config, "python", None) else ""


def remember(key: str, outcome: Outcome, record: str, context: RunContext) -> None:
    """Note what the work gave, for the next time; another writer of the same is as good."""
    if context.phase_type not in CACHEABLE:
        return
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "record": record,
        "outputs": {name: ref.to_dict() for name, ref in outcome.outputs.items()},
        "metrics": outcome.metrics,
        "verdict": outcome.verdict.to_dict() if outcome.verdict else None,
        "summary": outcome.summary,
        "details": outcome.details,
    }
    store = context.store()
    before = read_document(store, _key(context, key))
    try:
        write_document(store, before.key, entry, after=before.revision)
    except ConflictError:
        return


def _key(context: RunContext, key: str) -> str:
    return f"{context.workflow}/cache/{key}"


def _outcome(store: Store, entry: dict[str, Any]) -> Outcome:
    outputs = {name: ref_from_dict(ref) for name, ref in entry["outputs"].items()}
    for ref in outputs.values():
        store.open(ref)
    verdict = Verdict.from_dict(entry["verdict"]) if entry["verdict"] else None
    rest = {name: entry[name] for name in ("metrics", "summary", "details")}
    return Outcome(outputs=outputs, verdict=verdict, **rest)
