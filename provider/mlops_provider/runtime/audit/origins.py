"""Where a registered version comes from: its bytes, its document, data, code, records, people."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_provider.exceptions import ChainError
from mlops_provider.refs import DatasetRef, ModelRef
from mlops_provider.runtime.audit.trail import Flaws, Link, looked_at
from mlops_provider.runtime.records import Record, run_records
from mlops_provider.store.chain import Chain
from mlops_provider.store.model_versions import VersionDocument, home_of, read_version, registered_name
from mlops_provider.store.standing import subject_of
from mlops_provider.store.store import json_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.store.chain import Entry
    from mlops_provider.store.store import Store

_PEOPLE = ("approval/", "override/")


@dataclass(frozen=True)
class Origins:
    """A version as a service or a registry names it; `name` is empty where it was registered under none.

    `thorough` reads every byte of the datasets too; those of the model are always read.
    """

    store: Store
    workflow: str
    model: ModelRef
    thorough: bool = False

    @cached_property
    def name(self) -> str:
        """The name under which these bytes are this version."""
        return registered_name(self.store, self.workflow, self.model.version, self.model.digest)

    @cached_property
    def home(self) -> str:
        """The workflow in whose chain the name's history stands."""
        return (home_of(self.store, self.name) if self.name else None) or self.workflow

    @cached_property
    def document(self) -> VersionDocument:
        """What was written when it was registered; {} where it was not."""
        return (read_version(self.store, self.name, self.model.version) if self.name else None) or {}

    @cached_property
    def maker(self) -> tuple[str, str]:
        """Workflow and run that made it; '' where nobody knows."""
        return str(self.document.get("workflow", self.workflow)), str(self.document.get("run", ""))

    @cached_property
    def records(self) -> list[Record]:
        """The records of that run, every attempt."""
        workflow, run = self.maker
        return run_records(self.store, workflow, run) if run else []

    def links(self) -> Iterator[Link]:
        """Give all links, from the model's bytes to the people."""
        yield looked_at("model", self._model)
        yield looked_at("registration", self._registration)
        looks = {
            "data": self._data,
            "code": self._code,
            "run": self._run,
            "verdicts": self._verdicts,
            "people": self._people,
            "promotion": self._promotion,
            "image": self._image,
        }
        for name, look in looks.items():
            yield looked_at(name, look)

    def _model(self) -> Link:
        meta = self.store.open(self.model, verify=True).meta
        about = {key: value for key, value in meta.items() if key not in {"signature", "lineage"}}
        data = {"uri": self.model.uri, "digest": self.model.digest, "signature": meta["signature"], **about}
        return Link(name="model", says=f"Its bytes are those of digest {self.model.digest[:16]}.", data=data)

    def _registration(self) -> Link:
        found = self.document
        if not found:
            said = f"version {self.model.version} with these bytes was not registered through this store"
            return Link(name="registration", state="missing", says=f"It is gone: {said}.", wrong=(said,))
        flaws = Flaws()
        entry = next((each for each in self._history() if each.kind == "registered"), None)
        if entry is None:
            flaws.missing.append("the audit chain has no entry of its registration")
        elif entry.payload["document"] != json_digest(found):
            flaws.damaged.append(f"its document was changed: entry {entry.number} of the chain names another digest")
        who = f"{found['owner']} in run {found['run']}, {found['at'][:19].replace('T', ' ')} UTC"
        says = f"Version {found['version']} of {found['name']}, registered by {who}."
        kept = ("name", "version", "digest", "workflow", "run", "owner", "at", "reason", "champion")
        data = {key: found[key] for key in kept} | {"entry": _place(self.home, entry) if entry else None}
        return flaws.link("registration", says, data)

    def _data(self) -> Link:
        """Look at every dataset behind it, down to the sources; `thorough` reads all bytes."""
        found, flaws = self._lineage("data"), Flaws()
        for digest, about in found["made_of"].items():
            ref = DatasetRef(uri=self.store.uri(about["key"]), digest=digest, rows=about["rows"])
            flaws.watch(f"dataset {digest[:12]}", partial(self.store.open, ref, verify=self.thorough))
        known = {digest for role in ("training", "validation", "evaluation") for digest in found[role]}
        flaws.missing += [f"nothing is known of dataset {digest[:12]}" for digest in known - set(found["made_of"])]
        rows = sum(found["made_of"].get(digest, {}).get("rows", 0) for digest in found["training"])
        how = "every byte was read" if self.thorough else "manifests and sizes were looked at"
        says = f"Trained on {rows:,} rows, from {len(found['made_of'])} datasets; {how}."
        return flaws.link("data", says, found)

    def _code(self) -> Link:
        code, parameters = self._lineage("code"), self.document["lineage"]["parameters"]
        package = code["package"] or "of unknown version"
        says = f"airflow-provider-mlops {package}, configuration {code['configuration'][:16]}."
        return Link(name="code", says=says, data={**code, "parameters": parameters})

    def _run(self) -> Link:
        """Compare the records of the run with the digests that were written when it registered."""
        flaws = Flaws()
        workflow, run = self.maker
        folder, there = f"{workflow}/runs/{quote(run, safe='')}", dict[str, Record]()
        for phase in self.store.files.list(folder):
            for name in self.store.files.list(f"{folder}/{phase}"):
                key = f"{folder}/{phase}/{name}"
                flaws.watch(f"record {phase}/{name}", partial(self._read, key, there))
        digests = {json_digest(record) for record in there.values()}
        for phase, digest in self._lineage("records").items():
            if digest in digests:
                continue
            present = any(record["phase"] == phase for record in there.values())
            said = f"the record of {phase} with digest {digest[:12]} is gone"
            (flaws.damaged if present else flaws.missing).append(f"{said}: another is there" if present else said)
        last = {record["phase"]: record for record in sorted(there.values(), key=lambda each: each["started"])}
        phases = [
            {key: record.get(key) for key in ("phase", "phase_type", "status", "started", "ended", "attempt")}
            | {"digest": json_digest(record)}
            for record in last.values()
        ]
        says = f"Run {run} of {workflow}: {len(phases)} phases left records."
        return flaws.link("run", says, {"workflow": workflow, "run": run, "phases": phases})

    def _read(self, key: str, there: dict[str, Record]) -> None:
        there[key] = json.loads(self.store.files.read(key))

    def _verdicts(self) -> Link:
        """Give the verdicts of the run that made it, those after its registration too."""
        last = {record["phase"]: record for record in self.records if record.get("verdict")}
        flaws = Flaws()
        for said in self._lineage("verdicts"):
            found = last.get(said["phase"])
            if found is None:
                flaws.missing.append(f"the verdict of {said['phase']} is gone: it was {said['status']}")
            elif json_digest(found["verdict"]) != said["digest"]:
                flaws.damaged.append(f"the verdict of {said['phase']} is another than when it was registered")
        verdicts = [
            {"phase": phase, **record["verdict"], "metrics": record["metrics"], "reports": _reports(record)}
            for phase, record in last.items()
        ]
        counts = ", ".join(f"{each['phase']} {each['status']}" for each in verdicts) or "no phase gave one"
        return flaws.link("verdicts", f"{counts[:1].upper()}{counts[1:]}.", {"verdicts": verdicts})

    def _people(self) -> Link:
        """Give who approved, rejected or overrode in the run that made it, why, and where that stands."""
        workflow, run = self.maker
        decisions = [
            {
                "what": entry.kind,
                "phase": entry.subject.partition("/")[2],
                "by": entry.by,
                "at": entry.at,
                "reason": entry.reason,
                "via": entry.payload.get("via", ""),
                "evidence": entry.payload.get("evidence", ""),
                "entry": _place(workflow, entry),
            }
            for entry in readable_entries(Chain(self.store, workflow))
            if run and entry.run == run and entry.subject.startswith(_PEOPLE)
        ]
        if not decisions:
            return Link(name="people", state="none", says="Nobody was asked in the run that made it.")
        says = "; ".join(f"{each['by']} {each['what']} {each['phase']}" for each in decisions)
        return Link(name="people", says=f"{says}.", data={"decisions": decisions})

    def _promotion(self) -> Link:
        """Give what happened to the version in its name's history."""
        events: list[dict[str, Any]] = [
            {"what": e.kind, "by": e.by, "run": e.run, "at": e.at, "reason": e.reason, "entry": _place(self.home, e)}
            for e in self._history()
            if e.kind != "registered"
        ]
        if not events:
            return Link(name="promotion", state="none", says="It was never promoted.")
        made = [each for each in events if each["what"] == "champion"]
        says = f"Champion since {made[-1]['at'][:19].replace('T', ' ')} UTC, by {made[-1]['by']}." if made else ""
        return Link(name="promotion", says=says or "It has not become the champion.", data={"events": events})

    def _image(self) -> Link:
        """Give the images of the run with their digests."""
        outputs = [ref for record in self.records for ref in (record.get("outputs") or {}).values()]
        images = {ref["digest"]: ref["uri"] for ref in outputs if ref["kind"] == "image"}
        known = dict.fromkeys(self._lineage("images"), "") | images
        if not known:
            return Link(name="image", state="none", says="It was not packaged: model servers load it from the store.")
        says = f"Packaged as {', '.join(digest[:19] for digest in known)}."
        return Link(name="image", says=says, data={"images": known})

    def _history(self) -> Iterator[Entry]:
        entries = readable_entries(Chain(self.store, self.home), subject_of(self.name))
        return (entry for entry in entries if entry.payload.get("version") == self.model.version)

    def _lineage(self, part: str) -> Any:
        if not self.document:
            raise FileNotFoundError("the document of its registration, in which it stands,")
        return self.document["lineage"][part]


def _reports(record: Record) -> list[str]:
    return [ref["uri"] for ref in record["outputs"].values() if ref["kind"] == "report"]


def readable_entries(chain: Chain, subject: str = "") -> Iterator[Entry]:
    """Give the entries that can be read, or those of a subject; what is wrong with others is the chain's own link."""
    for number in chain.numbers():
        with suppress(ChainError):
            entry = chain.read(number)
            if subject in {"", entry.subject}:
                yield entry


def _place(chain: str, entry: Entry) -> dict[str, Any]:
    return {"chain": chain, "number": entry.number, "hash": entry.hash}
