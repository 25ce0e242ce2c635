"""`mlops versions`: registered models, where each comes from, who promoted it, and whether the history is whole."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.model_versions import home_of, list_versions, names_of, read_version
from mlops_provider.store.standing import Standing, read_standing, subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.store import Store


@click.group()
def versions() -> None:
    """List, show and verify registered models."""


@versions.command("list")
@click.argument("name")
@STORE
@JSON
def list_command(name: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """List the versions of a registered NAME (by default the workflow's id) with their aliases and metrics."""
    store = open_store(store_url)
    with errors():
        standing = read_standing(store, name)
        rows = [_row(read_version(store, name, version) or {}, standing) for version in list_versions(store, name)]
    if not rows:
        raise click.UsageError(_unknown(store, name))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    names = list(dict.fromkeys(metric for row in rows for metric in row["metrics"]))[:4]
    _table(
        [
            {**{key: value for key, value in row.items() if key not in {"metrics", "alias"}}}
            | {"alias": ", ".join(row["alias"])}
            | {metric: f"{row['metrics'][metric]:.4f}" if metric in row["metrics"] else "" for metric in names}
            for row in rows
        ]
    )


@versions.command()
@click.argument("name")
@click.argument("version")
@STORE
@JSON
def show(name: str, version: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Show where a version comes from: data, code, parameters, verdicts, people, and what happened to it since.

    VERSION is a number, 'champion' or 'challenger'.
    """
    store = open_store(store_url)
    with errors():
        standing = read_standing(store, name)
        aliased = {"champion": standing.champion, "challenger": standing.challenger}.get(version)
        document = read_version(store, name, aliased.version if aliased else version)
        if document is None:
            known = ", ".join(list_versions(store, name)[-10:])
            raise click.UsageError(
                f"'{name}' has no version '{version}' in {store.url}; its versions: {known}"
                if known
                else _unknown(store, name)
            )
        history = [
            _event(entry)
            for entry in Chain(store, home_of(store, name) or "").entries(subject_of(name))
            if entry.payload.get("version") == document["version"]
        ]
    if as_json:
        click.echo(json.dumps({**document, "alias": _aliases(document, standing), "history": history}, indent=1))
        return
    _print_document(document, standing)
    click.echo("\nhistory")
    _table(history)


@versions.command()
@click.argument("workflow")
@STORE
@JSON
def history(workflow: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Show the audit chain of a WORKFLOW: what happened to its models, by whom, oldest first."""
    store = open_store(store_url)
    with errors():
        entries = list(Chain(store, workflow).entries())
    if not entries:
        raise click.UsageError(_empty(store, workflow))
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=1))
        return
    _table([{**_event(entry), "subject": entry.subject} for entry in entries])


@versions.command()
@click.argument("workflow")
@click.option("--registry", default="", help="MLflow's URI, to hear what it witnesses too; takes some seconds.")
@STORE
@JSON
def verify(workflow: str, registry: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Check every entry of the audit chain of a WORKFLOW; exit 1 when one was changed, removed or inserted.

    The records of the phases that wrote entries, and MLflow with --registry, witness that entries were there.
    """
    from mlops_provider.runtime.witnesses import record_witnesses, registry_witnesses

    store = open_store(store_url)
    chain = Chain(store, workflow)
    with errors():
        witnesses = record_witnesses(store, workflow)
        if registry:
            witnesses += registry_witnesses(registry, names_of(store, workflow))
        found = check_chain(chain, witnesses)
        count = len(chain.numbers())
    if not count and not found:
        raise click.UsageError(_empty(store, workflow))
    if as_json:
        findings = [{"entry": finding.number, "what": finding.what} for finding in found]
        click.echo(json.dumps({"entries": count, "witnesses": len(witnesses), "findings": findings}, indent=1))
    elif found:
        for finding in found:
            click.echo(f"entry {finding.number}: {finding.what}" if finding.number else finding.what)
        click.echo(f"the audit chain of {workflow} is broken: {len(found)} findings")
    else:
        click.echo(f"the audit chain of {workflow} is whole: {count} entries, {len(witnesses)} witnesses")
    if found:
        sys.exit(1)


def _row(document: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
    metrics = list(document["lineage"]["metrics"].values())
    return {
        "version": document["version"],
        "alias": _aliases(document, standing),
        "digest": document["digest"][:12],
        "registered": document["at"],
        "run": document["run"],
        "metrics": metrics[-1] if metrics else {},
    }


def _aliases(document: Mapping[str, Any], standing: Standing) -> list[str]:
    holders = {"champion": standing.champion, "challenger": standing.challenger, "being promoted": standing.reserved}
    return [alias for alias, holder in holders.items() if holder and holder.version == document["version"]]


def _event(entry: Entry) -> dict[str, Any]:
    approvers = ", ".join(each["by"] for each in entry.payload.get("approvals", []))
    decided_on = ", ".join(each["version"] for each in entry.payload.get("models", []))
    return {
        "entry": entry.number,
        "at": entry.at,
        "what": entry.kind,
        "version": entry.payload.get("version") or entry.payload.get("put_back") or decided_on,
        "from": entry.payload.get("from") or "",
        "by": entry.by,
        "approved by": approvers,
        "run": entry.run,
        "why": entry.payload.get("why") or entry.reason,
    }


def _print_document(document: Mapping[str, Any], standing: Standing) -> None:
    lineage = document["lineage"]
    data, code, model = lineage["data"], lineage["code"], lineage["model"]
    aliases = ", ".join(_aliases(document, standing)) or "no alias"
    said = {
        "version": f"{document['version']} of {document['name']} ({aliases})",
        "digest": document["digest"],
        "registered": f"{document['at']} by {document['owner']}, run {document['run']}",
        "reason": json.dumps(document["reason"]) if document["reason"] else "",
        "training data": ", ".join(digest[:20] for digest in data["training"]),
        "validation data": ", ".join(digest[:20] for digest in data["validation"]),
        "evaluation data": ", ".join(digest[:20] for digest in data["evaluation"]),
        "made of": "\n".join(_source(digest, about) for digest, about in data["made_of"].items()),
        "code": f"airflow-provider-mlops {code['package']}, configuration {code['configuration'][:20]}",
        "functions": "\n".join(
            f"{name} {digest[:20]}" for functions in code["functions"].values() for name, digest in functions.items()
        ),
        "estimator": str(model.get("estimator", "")),
        "libraries": ", ".join([f"python {model.get('python', '')}", *model.get("requirements", [])]),
        "parameters": json.dumps(lineage["parameters"]["training"].get("parameters", {})),
        "run's parameters": json.dumps(lineage["parameters"]["run"]) if lineage["parameters"]["run"] else "",
        "images": ", ".join(lineage["images"]),
        "metrics": _metrics(lineage["metrics"]),
        "verdicts": "\n".join(f"{v['phase']}: {v['status']} ({v['digest'][:12]})" for v in lineage["verdicts"]),
        "approvals": "\n".join(f"{each['phase']}: {each['by']} at {each['at']}" for each in lineage["approvals"]),
    }
    for name, text in said.items():
        for number, line in enumerate(text.splitlines()):
            click.echo(f"{name if number == 0 else '':<17}{line}")


def _source(digest: str, about: Mapping[str, Any]) -> str:
    made_by = f"{about['phase']} ({about['type']})" if "phase" in about else "another run"
    sources = about["lineage"].get("sources", "") if isinstance(about["lineage"], dict) else ""
    return f"{digest[:20]} {about['rows']:,} rows, by {made_by}{f' from {sources}' if sources else ''}"


def _metrics(metrics: Mapping[str, Mapping[str, float]]) -> str:
    return "\n".join(
        f"{phase}: {'  '.join(f'{name} {value:.4f}' for name, value in values.items())}"
        for phase, values in metrics.items()
    )


def _unknown(store: Store, name: str) -> str:
    return f"nothing is registered under '{name}' in {store.url}"


def _empty(store: Store, workflow: str) -> str:
    return f"the audit chain of '{workflow}' is empty in {store.url}"


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    used = [column for column in rows[0] if any(row[column] not in ("", None) for row in rows)] if rows else []
    table = Table(*used, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(column, row[column]) for column in used))
    Console().print(table)


def _cell(column: str, value: object) -> str:
    return str(value)[:16].replace("T", " ") if column in {"at", "registered"} else str(value or "")
