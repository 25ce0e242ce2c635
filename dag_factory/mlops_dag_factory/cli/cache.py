"""`mlops cache`: why a phase was done again or not, and how to make it forget."""

from __future__ import annotations

import getpass
import json
from typing import Any

import click

from mlops_dag_factory.cli.store import JSON, STORE, open_store
from mlops_provider.runtime.cache import explain as differences
from mlops_provider.runtime.cache import invalidate as forget
from mlops_provider.runtime.records import Record, list_runs, run_records


@click.group()
def cache() -> None:
    """Explain hits and misses, or forget earlier results."""


@cache.command()
@click.argument("workflow")
@click.argument("phase", required=False)
@click.option("--run", "run_id", default="", help="Run to explain; default: the latest.")
@STORE
@JSON
def explain(workflow: str, phase: str | None, run_id: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Say of each phase of a run whether the cache gave its result and why, and what differs from the time before."""
    store = open_store(store_url)
    attempts = [record for run in list_runs(store, workflow) for record in run_records(store, workflow, run)]
    attempts = [record for record in attempts if "cache" in record and record["phase"] == (phase or record["phase"])]
    attempts.sort(key=lambda record: record["started"])
    wanted = run_id or (attempts[-1]["run_id"] if attempts else "")
    last = {record["phase"]: record for record in attempts if record["run_id"] == wanted}
    if not last:
        named = f"phase '{phase}' of {workflow}" if phase else workflow
        raise click.UsageError(f"no run of {named}{f' called {run_id}' if run_id else ''} in {store.url}")
    found = [_explained(record, attempts) for record in last.values()]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for each in found:
        click.echo(f"{each['phase']}: {'hit' if each['hit'] else 'done'}: {each['why']}")
        for difference in each["differs"]:
            click.echo(f"  since run {each['since']}: {difference}")


@cache.command()
@click.argument("workflow")
@click.argument("phase", required=False)
@STORE
def invalidate(workflow: str, phase: str | None, store_url: str | None) -> None:
    """Forget what a phase gave, or all phases: they are done again. The results themselves stay."""
    store = open_store(store_url)
    count = forget(store, workflow, phase or "", by=getpass.getuser())
    click.echo(f"{count} results of {f'{workflow}.{phase}' if phase else workflow} are forgotten")


def _explained(record: Record, attempts: list[Record]) -> dict[str, Any]:
    """Give what a record says of the cache, and what differs from the one before it in another run."""
    before = [
        other
        for other in attempts
        if other["phase"] == record["phase"]
        and other["run_id"] != record["run_id"]
        and other["started"] < record["started"]
    ]
    return {
        "phase": record["phase"],
        "run": record["run_id"],
        **record["cache"],
        "since": before[-1]["run_id"] if before else "",
        "differs": differences(before[-1], record) if before and not record["cache"]["hit"] else [],
    }
