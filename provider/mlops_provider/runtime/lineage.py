"""Where a model comes from, as the records of its run tell it: data, code, parameters, verdicts, people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import DatasetRef, ImageRef, ref_from_dict
from mlops_provider.runtime.contract import item_label
from mlops_provider.runtime.records import Record, run_records
from mlops_provider.store.store import MANIFEST, json_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.refs import ModelRef, Ref
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.store import Store

_DONE = frozenset({"succeeded", "blocked"})


def run_evidence(context: RunContext) -> list[Record]:
    """Give the records of the run so far that came to a result, each phase by its last attempt, oldest first.

    A repeated phase is not told of what became of other items.
    """
    item = item_label(context.item) if context.item else ""
    records = run_records(context.store(), context.workflow, context.run_id, item=item)
    done = [record for record in records if record["status"] in _DONE]
    return list({record["phase"]: record for record in done if record["phase"] != context.phase}.values())


def lineage_of(context: RunContext, model: ModelRef, meta: dict[str, Any]) -> dict[str, Any]:
    """Give the lineage of a model as JSON; `meta` is what stands in its manifest."""
    records = run_evidence(context)
    trained = _maker(records, model.digest) or {}
    learned = _datasets(trained, "data") or [meta["lineage"]["data"]]
    judged = [record for record in records if _judges(record, model)]
    evaluated = list(dict.fromkeys(d for record in judged for d in _datasets(record, "data")))
    return {
        "data": {
            "training": learned,
            "validation": _datasets(trained, "validation"),
            "evaluation": evaluated,
            "made_of": _walk(context.store(), records, [trained, *judged]),
        },
        "code": {
            "package": trained.get("code_version", ""),
            "functions": {r["phase"]: r["code"] for r in records if r.get("code")},
            "configuration": json_digest({r["phase"]: [r["phase_type"], r["config"]] for r in records}),
        },
        "parameters": {"run": context.parameters, "training": _chosen(trained)},
        "model": {name: value for name, value in meta.items() if name not in {"signature", "lineage"}},
        "images": [ref.digest for record in records for ref in _outputs(record) if isinstance(ref, ImageRef)],
        "metrics": {r["phase"]: _plain(r["metrics"]) for r in judged},
        "verdicts": verdicts_of(records),
        "approvals": approvals_of(records),
        "records": {r["phase"]: json_digest(r) for r in records},
    }


def verdicts_of(records: Iterable[Record]) -> list[dict[str, str]]:
    """Give of each checkpoint how it decided and the digest of its verdict."""
    return [
        {"phase": record["phase"], "status": record["verdict"]["status"], "digest": json_digest(record["verdict"])}
        for record in records
        if record.get("verdict")
    ]


def approvals_of(records: Iterable[Record]) -> list[dict[str, str]]:
    """Give who approved, in which phase and when."""
    return [
        {"phase": record["phase"], "by": decision["by"]["name"], "at": decision["at"]}
        for record in records
        if record["phase_type"] == "approve" and record["details"].get("approved")
        for decision in record["details"]["decisions"]
        if decision["choice"] == "approved"
    ]


def _maker(records: Iterable[Record], digest: str) -> Record | None:
    made = [record for record in records if digest in {ref.digest for ref in _outputs(record)}]
    return next((r for r in made if r["phase_type"] != "register"), None)


def _judges(record: Record, model: ModelRef) -> bool:
    asked = record["inputs"].get("model") or []
    return record["phase_type"] == "evaluate" and model.digest in {ref["digest"] for ref in asked}


def _outputs(record: Record) -> list[Ref]:
    return [ref_from_dict(value) for value in (record.get("outputs") or {}).values()]


def _datasets(record: Record, field: str) -> list[str]:
    return [ref["digest"] for ref in (record.get("inputs") or {}).get(field, []) if ref["kind"] == "dataset"]


def _walk(store: Store, records: list[Record], consumers: list[Record]) -> dict[str, Any]:
    """Give for each dataset behind some phases what made it, of what, down to the sources."""
    waiting = [ref for record in consumers for ref in _dataset_inputs(record)]
    found: dict[str, Any] = {}
    while waiting:
        ref = waiting.pop(0)
        if ref.digest in found:
            continue
        maker = _maker(records, ref.digest)
        before = _dataset_inputs(maker) if maker else []
        about: dict[str, Any] = {"rows": ref.rows, "key": ref.uri.removeprefix(f"{store.url}/")}
        about |= {"phase": maker["phase"], "type": maker["phase_type"]} if maker else {}
        made_of = [each.digest for each in before if each.digest != ref.digest]
        found[ref.digest] = {**about, "made_of": made_of, "lineage": {} if made_of else _published(store, ref)}
        waiting += before
    return found


def _dataset_inputs(record: Record) -> list[DatasetRef]:
    refs = [ref_from_dict(value) for values in (record.get("inputs") or {}).values() for value in values]
    return [ref for ref in refs if isinstance(ref, DatasetRef)]


def _published(store: Store, ref: DatasetRef) -> Any:
    """Give what the publisher of a dataset wrote about its sources."""
    try:
        manifest = json.loads(store.files.read(f"{store.key(ref.uri)}/{MANIFEST}"))
    except FileNotFoundError:
        return {}
    return manifest["meta"].get("lineage", {})


def _chosen(record: Record) -> dict[str, Any]:
    """Give the config of a training, without what was left as it is."""
    return {name: value for name, value in (record.get("config") or {}).items() if value not in (None, "", [], {})}


def _plain(metrics: dict[str, float]) -> dict[str, float]:
    """Give the metrics of the whole, without those of slices and intervals."""
    return {name: value for name, value in metrics.items() if "." not in name}
