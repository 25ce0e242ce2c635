"""The cache of phases: what equal work gave before, believed only while everything that it gave is still whole."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_provider.exceptions import ConflictError, MlopsError
from mlops_provider.refs import DatasetRef, ref_from_dict
from mlops_provider.runtime.contract import Outcome
from mlops_provider.runtime.outside import Outside, outside_of
from mlops_provider.runtime.table import scan
from mlops_provider.store.documents import read_document, write_document
from mlops_provider.store.store import json_bytes
from mlops_provider.verdicts import Verdict

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mlops_provider.runtime.contract import Inputs, RunContext
    from mlops_provider.store.store import Store


OFF = "the cache is off for this phase"
INVALIDATED = "invalidated"
_LONGEST = 60


class Hit(NamedTuple):
    """An earlier outcome, or None, and in a sentence why."""

    outcome: Outcome | None
    why: str


class Recalled(NamedTuple):
    """What was looked up before the work begins: the key of the work, what it depends on, and what was found."""

    key: str
    outside: Outside
    hit: Hit

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form of a miss, for the process elsewhere that does the work."""
        return {"key": self.key, "state": self.outside.state, "never": self.outside.never, "why": self.hit.why}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Recalled:
        """Make it from its JSON form."""
        return cls(value["key"], Outside(value["state"], value["never"]), Hit(None, value["why"]))


def recall(
    config: BaseModel,
    inputs: Inputs,
    context: RunContext,
    allowed: bool | float,  # noqa: FBT001 (an age or not)
    environment: Outside | None = None,
) -> Recalled:
    """Look up what equal work gave before.

    `environment` is what the outcome depends on where the work is not done by this process: an image, requirements.
    """
    outside = Outside({}, OFF)
    if allowed is not False:
        outside = outside_of(config, context)
        if environment is not None:
            outside = Outside({**outside.state, **environment.state}, outside.never or environment.never)
    key = content_key(config, inputs, context, outside)
    return Recalled(key, outside, look_up(key, context, outside, allowed))


def content_key(config: BaseModel, inputs: Inputs, context: RunContext, outside: Outside) -> str:
    """Give the key that is equal exactly when type, code version, config, input digests and the outside are."""
    content = {
        "type": context.phase_type,
        "code": version("airflow-provider-mlops"),
        "config": config.model_dump(mode="json"),
        "inputs": {field: [ref.digest for ref in refs] for field, refs in inputs.items()},
        "outside": outside.state,
    }
    return hashlib.sha256(json_bytes(content)).hexdigest()


def look_up(key: str, context: RunContext, outside: Outside, allowed: bool | float) -> Hit:  # noqa: FBT001 (an age or not)
    """Find what equal work gave before; `allowed` is the age in seconds up to which it counts, True for any age."""
    if allowed is False or outside.never:
        return Hit(None, OFF if allowed is False else outside.never)
    store = context.store()
    entry = read_document(store, _key(context.workflow, key)).data
    if not entry:
        return Hit(None, "this work has not been done before")
    if INVALIDATED in entry:
        return Hit(None, f"what was done before was invalidated by {entry[INVALIDATED]}")
    age = (datetime.now(UTC) - datetime.fromisoformat(entry["at"])).total_seconds()
    if allowed is not True and age > allowed:
        return Hit(None, f"what {entry['record']} gave is {age:.0f} s old, the limit is {allowed:.0f} s")
    try:
        return Hit(_outcome(store, entry), f"equal to {entry['record']}, {age:.0f} s old")
    except MlopsError as err:
        return Hit(None, f"what {entry['record']} gave is not whole any more: {err}")


def remember(key: str, outcome: Outcome, record: str, context: RunContext, outside: Outside) -> None:
    """Note what the work gave, for the next time; another writer of the same is as good."""
    if outside.never:
        return
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "phase": context.phase,
        "record": record,
        "outputs": {name: ref.to_dict() for name, ref in outcome.outputs.items()},
        "metrics": outcome.metrics,
        "verdict": outcome.verdict.to_dict() if outcome.verdict else None,
        "summary": outcome.summary,
        "details": outcome.details,
    }
    store = context.store()
    before = read_document(store, _key(context.workflow, key))
    try:
        write_document(store, before.key, entry, after=before.revision)
    except ConflictError:
        return


def invalidate(store: Store, workflow: str, phase: str, *, by: str) -> int:
    """Make the cache forget what a phase gave (every phase for ''); give how many entries that were."""
    count = 0
    for key in store.files.list(f"{workflow}/cache"):
        document = read_document(store, _key(workflow, key))
        entry = document.data
        if INVALIDATED in entry or (phase and entry.get("phase", "").partition("@")[0] != phase):
            continue
        said = f"{by} at {datetime.now(UTC).isoformat(timespec='seconds')}"
        write_document(
            store, document.key, {"phase": entry.get("phase", ""), INVALIDATED: said}, after=document.revision
        )
        count += 1
    return count


def explain(earlier: dict[str, Any], later: dict[str, Any]) -> list[str]:
    """Say what of a phase's cache key differs between two of its records."""
    found = []
    if earlier["code_version"] != later["code_version"]:
        found.append(f"code version: {earlier['code_version']} → {later['code_version']}")
    found += _differences("config", earlier["config"], later["config"])
    sides = [
        {f"{field}[{i}]": ref["digest"][:12] for field, refs in record["inputs"].items() for i, ref in enumerate(refs)}
        for record in (earlier, later)
    ]
    found += _differences("input", *sides)
    found += _differences("outside", earlier.get("outside", {}), later.get("outside", {}))
    return found


def _differences(what: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return [f"{what} {name}: {_short(old.get(name))} → {_short(new.get(name))}" for name in names]


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _key(workflow: str, key: str) -> str:
    return f"{workflow}/cache/{key}"


def _outcome(store: Store, entry: dict[str, Any]) -> Outcome:
    outputs = {name: ref_from_dict(ref) for name, ref in entry["outputs"].items()}
    for ref in outputs.values():
        if isinstance(ref, DatasetRef):
            scan(store, ref)  # opens what a view is made of, too
        else:
            store.open(ref)
    verdict = Verdict.from_dict(entry["verdict"]) if entry["verdict"] else None
    rest = {name: entry[name] for name in ("metrics", "summary", "details")}
    return Outcome(outputs=outputs, verdict=verdict, **rest)
