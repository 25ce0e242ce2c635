"""Gathering a trail: of a prediction, of a registered version, of a run."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.audit.deployment import served_when, state_at
from mlops_provider.runtime.audit.origins import Origins
from mlops_provider.runtime.audit.request import Found, LoggedRow, find_request
from mlops_provider.runtime.audit.trail import Link, Trail, looked_at
from mlops_provider.runtime.audit.watch import incidents, monitored
from mlops_provider.runtime.contract import now
from mlops_provider.runtime.iterations.history import read_run
from mlops_provider.runtime.witnesses import record_witnesses
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.model_versions import list_versions, read_version
from mlops_provider.store.standing import read_standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.runtime.explanation.single import SingleExplanation
    from mlops_provider.store.store import Store

_SHADOW = "shadow"


def audit_request(
    store: Store,
    request_id: str,
    *,
    row: int = 0,
    workflow: str = "",
    environment: str = "",
    since: datetime | None = None,
    thorough: bool = False,
) -> Trail:
    """Follow one row of a request back; DataError where the log does not have it."""
    found = find_request(store, request_id, workflow=workflow, environment=environment, since=since)
    logged = row_of(found, row)
    subject = f"request {request_id}, row {logged.row}, answered by {logged.workflow}/{logged.environment}"
    deployed, model = _deployed(store, logged)
    links = [_prediction(found, logged), deployed]
    if model is None:
        said = f"no record says which bytes version {logged.version} was; the log names digest {logged.digest}"
        links.append(Link(name="model", state="missing", says=f"It is gone: {said}.", wrong=(said,)))
    else:
        links += _origins(Origins(store, logged.workflow, model, thorough), model, logged.digest)
    later = deployed.data.get("later", [])
    links.append(looked_at("monitor", lambda: monitored(store, logged)))
    links.append(
        looked_at("incidents", lambda: incidents(store, logged.workflow, logged.environment, logged.ts, later))
    )
    home = Origins(store, logged.workflow, model).home if model else logged.workflow
    return Trail(subject=subject, at=now(), links=(*links, *_chains(store, [home, logged.workflow])))


def audit_version(store: Store, name: str, version: str, *, thorough: bool = False) -> Trail:
    """Follow a registered version back, and say where it was served; `version` may be champion or challenger."""
    standing = read_standing(store, name)
    aliased = {"champion": standing.champion, "challenger": standing.challenger}.get(version)
    document = read_version(store, name, aliased.version if aliased else version)
    if document is None:
        known = ", ".join(list_versions(store, name)[-10:])
        raise ConfigError(
            f"'{name}' has no version '{version}' in {store.url}",
            hint=f"its versions: {known}" if known else "nothing is registered under this name",
        )
    key = document["key"]
    uri = key if "://" in key or key.startswith("/") else store.uri(key)
    model = ModelRef(uri=uri, digest=document["digest"], name=name, version=document["version"])
    origins = Origins(store, document["workflow"], model, thorough)
    links = [looked_at("deployment", lambda: served_when(store, model)), *origins.links()]
    subject = f"version {document['version']} of {name}"
    return Trail(subject=subject, at=now(), links=(*links, *_chains(store, [origins.home, document["workflow"]])))


def audit_run(store: Store, workflow: str, run_id: str, *, thorough: bool = False) -> Trail:
    """Follow what a run registered; ConfigError where it registered nothing."""
    for record in read_run(store, workflow, run_id).of_type("register"):
        version = (record.get("outputs") or {}).get("version")
        if version:
            return audit_version(store, version["name"], version["version"], thorough=thorough)
    raise ConfigError(
        f"run '{run_id}' of {workflow} has registered no model: there is no version to follow",
        hint=f"mlops runs show {workflow} {run_id} shows its phases",
    )


def explain_request(
    store: Store,
    request_id: str,
    *,
    row: int = 0,
    workflow: str = "",
    environment: str = "",
    since: datetime | None = None,
) -> SingleExplanation:
    """Explain one row of a request with the version that answered it; DataError where it cannot be had any more."""
    from mlops_provider.runtime.explanation.single import explain_answer

    found = find_request(store, request_id, workflow=workflow, environment=environment, since=since)
    logged = row_of(found, row)
    _, model = _deployed(store, logged)
    if model is None:
        raise DataError(
            f"no deployment record says where version {logged.version} of {logged.workflow}/{logged.environment} is",
            hint=f"mlops audit {request_id} says what is missing",
        )
    return explain_answer(store, logged, model)


def row_of(found: Found, row: int) -> LoggedRow:
    """Give one row as the client got it: not a shadow's answer, and not the failure before a stand-in's."""
    rows = [each for each in found.rows if each.row == row] or [each for each in found.rows if each.prediction is None]
    if not rows:
        raise DataError(
            f"request '{found.rows[0].request_id}' has no row {row}",
            hint=f"its rows: 0 to {max(each.row for each in found.rows)}",
        )
    return min(rows, key=lambda each: (each.role == _SHADOW, each.prediction is None, -each.ts.timestamp()))


def _deployed(store: Store, row: LoggedRow) -> tuple[Link, ModelRef | None]:
    models: list[ModelRef] = []

    def look() -> Link:
        link, model = state_at(store, row.workflow, row.environment, row.ts, row.version)
        models.extend([model] if model else [])
        return link

    return looked_at("deployment", look), models[0] if models else None


def _prediction(found: Found, row: LoggedRow) -> Link:
    at = row.ts.astimezone(UTC)
    others = [
        {"version": each.version, "role": each.role, "status": each.status, "prediction": each.prediction}
        for each in found.rows
        if each.row == row.row and each is not row
    ]
    search = {"files": found.files, "seconds": round(found.seconds, 3), "unreadable": list(found.unreadable)}
    data = {**asdict(row), "ts": at.isoformat(timespec="microseconds"), "other_answers": others, "search": search}
    answered = f"answered {row.prediction}" if row.prediction is not None else f"failed with status {row.status}"
    says = f"Version {row.version} ({row.role}) {answered} at {at:%Y-%m-%d %H:%M:%S} UTC in {row.latency_ms:.1f} ms."
    if found.unreadable:
        wrong = tuple(f"{file} of the prediction log cannot be read" for file in found.unreadable)
        return Link(name="prediction", state="damaged", says=says, wrong=wrong, data=data)
    return Link(name="prediction", says=says, data=data)


def _origins(origins: Origins, model: ModelRef, logged: str) -> Iterator[Link]:
    for link in origins.links():
        if link.name == "model" and logged != model.digest:
            said = f"the log says digest {logged[:16]}, the deployment record {model.digest[:16]}"
            yield Link(name="model", state="damaged", says=f"{link.says} But {said}.", wrong=(*link.wrong, said))
        else:
            yield link


def _chains(store: Store, workflows: list[str]) -> Iterator[Link]:
    """Check the audit chains in which any of it stands, with all witnesses of the store."""
    names = list(dict.fromkeys(workflows))
    yield looked_at("chain", lambda: _chain(store, names))


def _chain(store: Store, names: list[str]) -> Link:
    counts: dict[str, Any] = {}
    wrong: list[str] = []
    for name in names:
        chain, witnesses = Chain(store, name), record_witnesses(store, name)
        found = check_chain(chain, witnesses)
        counts[name] = {"entries": len(chain.numbers()), "witnesses": len(witnesses)}
        wrong += [
            f"{name}, entry {each.number}: {each.what}" if each.number else f"{name}: {each.what}" for each in found
        ]
    said = ", ".join(
        f"{name}: {each['entries']} entries, {each['witnesses']} witnesses" for name, each in counts.items()
    )
    if wrong:
        return Link(
            name="chain", state="damaged", says=f"The audit chain is broken ({said}).", wrong=tuple(wrong), data=counts
        )
    return Link(name="chain", says=f"The audit chain is whole ({said}).", data=counts)
