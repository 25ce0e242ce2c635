"""The runs of a workflow as they lie in the store, and which of them was the last good one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.records import Record, list_runs, run_records
from mlops_provider.store.store import MANIFEST

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

EVALUATE = "evaluate"
MONITORING = "monitor__"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Run:
    """A run: the record of the last attempt of each phase, in the order in which they started."""

    workflow: str
    run_id: str
    phases: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def of(cls, records: list[Record]) -> Run:
        """Make a run of all its records."""
        return cls(records[0]["workflow"], records[0]["run_id"], {record["phase"]: record for record in records})

    @property
    def started(self) -> str:
        """When its first phase started."""
        return min((str(record["started"]) for record in self.phases.values()), default="")

    def of_type(self, phase_type: str) -> list[Record]:
        """Give the records of a type of phase."""
        return [record for record in self.phases.values() if record["phase_type"] == phase_type]

    def makers(self, phase: str) -> set[str]:
        """Give a phase and all those whose outputs it goes back to."""
        made = {
            ref["uri"]: name for name, record in self.phases.items() for ref in (record.get("outputs") or {}).values()
        }
        found, waiting = set(), [phase]
        while waiting:
            name = waiting.pop()
            if name in self.phases and name not in found:
                found.add(name)
                refs = [ref for some in self.phases[name]["inputs"].values() for ref in some]
                waiting += [made[ref["uri"]] for ref in refs if ref["uri"] in made]
        return found


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a checkpoint said in one run: passed, blocked, vacuous, overridden (`by` says who and why) or failed."""

    record: Record
    status: str
    by: str = ""

    @property
    def run_id(self) -> str:
        """The run."""
        return str(self.record["run_id"])

    @property
    def good(self) -> bool:
        """Whether its gates held, or a person let it go on; where there was no gate, nothing was proven."""
        return self.status in {"passed", "overridden"}

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form: one point of the history of its metrics."""
        metrics = self.record.get("metrics") or {}
        return {
            "run_id": self.run_id,
            "started": self.record["started"],
            "status": self.status,
            "by": self.by,
            "metrics": metrics,
        }


def read_run(store: Store, workflow: str, run_id: str) -> Run:
    """Read a run; ConfigError names those that there are."""
    records = run_records(store, workflow, run_id)
    if not records:
        known = [run for run in list_runs(store, workflow) if not run.startswith(MONITORING)]
        more = f" (and {len(known) - _SHOWN} more)" if len(known) > _SHOWN else ""
        hint = f"the latest: {', '.join(known[-_SHOWN:])}{more}" if known else "it has no runs at all"
        raise ConfigError(f"{workflow} has no run '{run_id}' in {store.url}", hint=hint)
    return Run.of(records)


def run_ids(store: Store, workflow: str) -> list[str]:
    """Give the runs that made something, the oldest first; those of the monitor are no iterations."""
    started = {}
    for run_id in list_runs(store, workflow):
        if not run_id.startswith(MONITORING):
            records = run_records(store, workflow, run_id)
            started[run_id] = min((str(record["started"]) for record in records), default="")
    return sorted(started, key=lambda run_id: started[run_id])


def evaluations(store: Store, workflow: str, phase: str) -> list[Evaluation]:
    """Give what a checkpoint said in every run that reached it, the oldest first; reads its records only."""
    found = []
    for run_id in list_runs(store, workflow):
        record = _last(store, workflow, run_id, phase)
        if record is not None:
            found.append(evaluation_of(record, _last(store, workflow, run_id, f"{phase}.override")))
    return sorted(found, key=lambda one: str(one.record["started"]))


def evaluation_of(record: Record, override: Record | None = None) -> Evaluation:
    """Say how a checkpoint ended; `override` is the record of the person's answer, where one was asked."""
    if record["status"] == "failed":
        return Evaluation(record, "failed")
    status = str((record.get("verdict") or {}).get("status", "vacuous"))
    if status == "blocked" and override is not None and override["details"].get("overridden"):
        return Evaluation(record, "overridden", str(override["summary"]))
    return Evaluation(record, status)


def last_good(store: Store, later: Record) -> Evaluation | None:
    """Give the last good run before a checkpoint's record, as what the same checkpoint said in it.

    Good is the latest earlier run whose gates held, or which a person let go on although they did not, and whose model
    predicts the same target. A run without gates proved nothing; a model that is gone counts, its record says which.
    """
    target = target_of(store, later)
    for one in reversed(evaluations(store, later["workflow"], later["phase"])):
        earlier = one.run_id != later["run_id"] and one.record["started"] < later["started"]
        if earlier and one.good and target_of(store, one.record) in {target, ""}:
            return one
    return None


def target_of(store: Store, record: Record) -> str:
    """Give what the model of an evaluation predicts; '' where its manifest is gone."""
    manifest = manifest_of(store, record, "model")
    return str(manifest["meta"]["signature"]["target"]) if manifest else ""


def manifest_of(store: Store, record: Record, field: str) -> dict[str, Any]:
    """Give the manifest of what a record took in a field; {} where there is none any more."""
    refs = record["inputs"].get(field) or []
    return read_manifest(store, refs[0]) if refs else {}


def read_manifest(store: Store, ref: dict[str, Any]) -> dict[str, Any]:
    """Give the manifest of published content without its files; {} where it is gone."""
    try:
        return json.loads(store.files.read(f"{store.key(ref['uri'])}/{MANIFEST}"))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}


def _last(store: Store, workflow: str, run_id: str, phase: str) -> Record | None:
    folder = f"{workflow}/runs/{quote(run_id, safe='')}/{phase}"
    names = store.files.list(folder)
    return json.loads(store.files.read(f"{folder}/{names[-1]}")) if names else None
