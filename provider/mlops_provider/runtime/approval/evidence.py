"""What people decide on, gathered from the records of the run: verdicts, metrics, lineage, what changed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import MlopsError
from mlops_provider.refs import ModelRef, ReportRef
from mlops_provider.runtime.iterations.changes import compare_runs
from mlops_provider.runtime.iterations.history import Run, evaluation_of, read_run
from mlops_provider.runtime.lineage import run_evidence
from mlops_provider.store.model_versions import read_version
from mlops_provider.store.standing import read_standing
from mlops_provider.store.store import json_bytes, json_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.records import Record
    from mlops_provider.store.store import Store

DATA, PAGE = "report.json", "report.html"
_PEOPLE = frozenset({"approve", "release", "rollback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is shown, as JSON; the same records give the same digest.

    `checkpoints` are the phases that are shown, each with status, verdict, summary, report and the digest of its
    record; `champions` says for each name of `models` who the champion is; `lineage` is that of the first model;
    `changes` what changed since its champion was made, or in `why_no_changes` why that cannot be said. `authors` are
    those who may not decide, `started` says how the run began.
    """

    workflow: str
    run: str
    phase: str
    started: str
    why: str = ""
    authors: tuple[str, ...] = ()
    models: tuple[dict[str, str], ...] = ()
    champions: dict[str, dict[str, str]] = field(default_factory=dict)
    checkpoints: tuple[dict[str, Any], ...] = ()
    lineage: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    why_no_changes: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Make it from its JSON form."""
        names = {name: tuple(value[name]) for name in ("authors", "models", "checkpoints")}
        return cls(**{**value, **names})

    @property
    def question(self) -> str:
        """What is asked, in a few words."""
        if not self.models:
            return f"{self.workflow}: may run {self.run} go on?"
        named = [f"{each['name']} version {each['version']}" for each in self.models]
        return f"Release {named[0]}?" if len(named) == 1 else f"Release {len(named)} versions of {self.workflow}?"


def gather(
    context: RunContext,
    phases: Sequence[str],
    models: Sequence[ModelRef] = (),
    left_out: Mapping[str, str] | None = None,
) -> Evidence:
    """Gather the evidence of some phases on some models; without models, on those that the run registered.

    Of a repeated phase each item is shown. `left_out` says of phases that did not run why.
    """
    records = run_evidence(context)
    asked = tuple(_model(ref) for ref in models) or tuple(_registered(records))
    store = context.store()
    champions = {each["name"]: _champion(context, each["name"]) for each in asked}
    document = read_version(store, asked[0]["name"], asked[0]["version"]) if asked else None
    changes, why_not = _changes(context, asked, champions)
    payload = context.reason.get("payload")
    return Evidence(
        workflow=context.workflow,
        run=context.run_id,
        phase=context.phase,
        started=_started(context),
        why=str(payload.get("why", payload) if isinstance(payload, dict) else payload or ""),
        authors=tuple(authors_of(context, records)),
        models=asked,
        champions=champions,
        checkpoints=tuple(each for name in phases for each in _checkpoints(name, records, left_out or {})),
        lineage=document["lineage"] if document else {},
        changes=changes,
        why_no_changes=why_not,
    )


def publish(context: RunContext, evidence: Evidence) -> ReportRef:
    """Publish the evidence as JSON and as a page that needs nothing else."""
    from mlops_provider.runtime.approval.page import evidence_page

    store = context.store()
    with store.scratch() as folder:
        (folder / DATA).write_bytes(json_bytes(evidence.to_dict()))
        (folder / PAGE).write_text(evidence_page(evidence), encoding="utf-8")
        made_of = {each["phase"]: (each["report"] or {}).get("digest", "") for each in evidence.checkpoints}
        published = store.publish(context.workflow, "reports", folder, {"lineage": made_of})
    return ReportRef(uri=published.uri, digest=published.digest)


def read_evidence(store: Store, report: str) -> Evidence:
    """Read the evidence of a published report."""
    return Evidence.from_dict(json.loads(store.files.read(f"{store.key(report)}/{DATA}")))


def authors_of(context: RunContext, records: Iterable[Record]) -> list[str]:
    """Give whose change it is: who started the run, and who answered for its parameters. A run by plan has none."""
    people = [str(context.reason.get("by") or "")]
    people += [str(record["details"].get("user") or "") for record in records if record["phase_type"] == "ask"]
    return list(dict.fromkeys(name for name in people if name))


def _started(context: RunContext) -> str:
    kind, by = context.reason.get("kind", "manual"), context.reason.get("by")
    if kind == "asset":
        source = context.reason.get("source") or context.reason.get("asset", "")
        return f"an event of {source} started it: nobody is its author"
    if by:
        return f"{by} started it"
    return "it was started by its schedule: nobody is its author" if kind == "scheduled" else f"it was started: {kind}"


def _model(ref: ModelRef) -> dict[str, str]:
    return {"name": ref.name, "version": ref.version, "digest": ref.digest}


def _registered(records: Iterable[Record]) -> Iterable[dict[str, str]]:
    for record in records:
        if record["phase_type"] == "register":
            version = record["outputs"]["version"]
            yield {name: str(version[name]) for name in ("name", "version", "digest")}


def _champion(context: RunContext, name: str) -> dict[str, str]:
    champion = read_standing(context.store(), name).champion
    return {"version": champion.version, "digest": champion.digest, "run": champion.run} if champion else {}


def _checkpoints(name: str, records: Sequence[Record], left_out: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    """Give what is shown of a phase, of each item where it is repeated; one that did not run is shown as that."""
    by_name = {record["phase"]: record for record in records}
    found = [record for record in records if record["phase"].partition("@")[0] == name]
    if not found:
        why = left_out.get(name, "")
        yield {"phase": name, "type": "", "status": "did not run", "verdict": None, "summary": why, "report": None}
    for record in found:
        yield _checkpoint(record, by_name.get(f"{name}.override"))


def _checkpoint(record: Record, override: Record | None) -> dict[str, Any]:
    verdict, judged = record.get("verdict"), evaluation_of(record, override)
    reports = [ref for ref in record["outputs"].values() if ref["kind"] == "report"]
    return {
        "phase": record["phase"],
        "type": record["phase_type"],
        "status": judged.status if verdict else record["status"],
        "overridden": judged.by,
        "verdict": verdict,
        "summary": record["summary"],
        "report": reports[0] if reports else None,
        "record": json_digest(record),
    }


def _changes(
    context: RunContext, models: Sequence[dict[str, str]], champions: dict[str, dict[str, str]]
) -> tuple[dict[str, Any], str]:
    """Compare this run with the one that made the champion of the only model; the page is never lost for it."""
    if len(models) != 1:
        return {}, "" if not models else "it is shown for one model only"
    champion = champions[models[0]["name"]]
    if not champion:
        return {}, "there is no champion yet"
    store = context.store()
    document = read_version(store, models[0]["name"], champion["version"])
    if document is None:
        return {}, f"nothing is known of how version {champion['version']} was made"
    try:
        earlier, later = (
            _before_people(read_run(store, workflow, run))
            for workflow, run in ((document["workflow"], document["run"]), (context.workflow, context.run_id))
        )
        return compare_runs(store, earlier, later).to_dict(), ""
    except MlopsError as err:
        return {}, err.message


def _before_people(run: Run) -> Run:
    """Leave out what comes when people have decided: it never ran on this side yet."""
    times = [str(record["started"]) for record in run.phases.values() if record["phase_type"] in _PEOPLE]
    end = min(times, default="")
    phases = {name: record for name, record in run.phases.items() if not end or record["started"] < end}
    return Run(run.workflow, run.run_id, phases)
