"""`mlops data`: the versions of datasets, what is in them, what changed; `mlops profile`: rules from data."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.exceptions import MlopsError
from mlops_provider.store.versions import Version, all_versions, dataset_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.store.store import Store

_WIDE = 160
_DAY = 86_400.0
_PAGE = click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with plots.")


@click.group()
def data() -> None:
    """List, show, compare, profile, verify and clean datasets."""


@data.command("list")
@click.argument("workflow", required=False)
@STORE
@JSON
def list_command(workflow: str | None, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """List the latest version of every dataset."""
    store = open_store(store_url)
    rows = [
        {"workflow": flow, **_about(all_versions(store, flow, name)[-1])}
        for flow in ([workflow] if workflow else store.files.list(""))
        for name in dataset_names(store, flow)
    ]
    _show(rows, as_json=as_json, empty=f"no datasets in {store.url}")


@data.command()
@click.argument("workflow")
@click.argument("name", metavar="PHASE[.OUTPUT][@VERSION]")
@STORE
@JSON
def show(workflow: str, name: str, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Show a dataset: its versions, or of one its columns and what it was made of."""
    store = open_store(store_url)
    with errors():
        version = _find(store, workflow, name)
        if "@" not in name:
            found = [_about(each) for each in all_versions(store, workflow, version.name)]
            _show(found, as_json=as_json, empty="")
            return
        meta = store.open(version.ref).meta
        if as_json:
            click.echo(json.dumps({**_about(version), "uri": version.ref.uri, **meta}, indent=1))
            return
        click.echo(f"{version.name}@{version.number}: {version.ref.rows:,} rows, run {version.run}, {version.ref.uri}")
        click.echo(f"made of: {json.dumps(meta['lineage'])}")
        _show(meta["columns"], as_json=False, empty="no columns")


@data.command()
@click.argument("workflow")
@click.argument("before", metavar="PHASE[.OUTPUT]@VERSION")
@click.argument("after", metavar="PHASE[.OUTPUT]@VERSION")
@_PAGE
@STORE
@JSON
def diff(workflow: str, before: str, after: str, output: Path | None, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Say what changed between two datasets: schema, counts, missing values, distributions."""
    from mlops_provider.runtime.data_diff import diff_datasets
    from mlops_provider.runtime.profile_page import diff_page, said_change
    from mlops_provider.runtime.table import connect, scan

    store = open_store(store_url)
    with errors(), store.scratch() as spill, connect(spill) as connection:
        sides = [scan(store, _find(store, workflow, name).ref) for name in (before, after)]
        found = diff_datasets(connection, *sides)
    if output:
        output.write_text(diff_page(f"{workflow}: {before} → {after}", found), encoding="utf-8")
        click.echo(str(output), err=as_json)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    elif not output:
        click.echo(f"{found['before']['rows']:,} → {found['after']['rows']:,} rows")
        for word in ("added", "removed"):
            click.echo(f"{word}: {', '.join(found[word])}") if found[word] else None
        for name, (old, new) in found["retyped"].items():
            click.echo(f"{name}: {old.lower()} → {new.lower()}")
        for name, moved in found["columns"].items():
            click.echo(f"{name}: {said_change(moved)}")


@data.command()
@click.argument("workflow")
@click.argument("name", metavar="PHASE[.OUTPUT][@VERSION]")
@click.option("--rules", is_flag=True, help="Propose a validate phase.")
@_PAGE
@STORE
@JSON
def profile(workflow: str, name: str, rules: bool, output: Path | None, store_url: str | None, as_json: bool) -> None:  # noqa: FBT001 (click's flags)
    """Profile a dataset: counts and distributions of every column."""
    from mlops_provider.runtime.table import connect, scan

    store = open_store(store_url)
    with errors(), store.scratch() as spill, connect(spill) as connection:
        source = scan(store, _find(store, workflow, name).ref)
        _profile(connection, source, f"{workflow}: {name}", rules=rules, output=output, as_json=as_json, of=name)


@click.command("profile")
@click.argument("source")
@click.option("--rules", is_flag=True, help="Propose a validate phase.")
@_PAGE
@JSON
def profile_source(source: str, rules: bool, output: Path | None, as_json: bool) -> None:  # noqa: FBT001 (click's flags)
    """Profile a path, URL, glob or 'sklearn:<name>', and propose rules for it."""
    import tempfile

    from mlops_dag_factory.spec import IngestSpec
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.ingest import explained
    from mlops_provider.runtime.sources import read_sources
    from mlops_provider.runtime.table import connect

    with errors(), tempfile.TemporaryDirectory() as folder, connect(Path(folder)) as connection, explained(source):
        context = RunContext(workflow="profile", run_id="", phase="data", store_url=folder)
        query = read_sources(connection, IngestSpec(source=source), context, Path(folder))
        connection.execute(f"CREATE TEMP VIEW profiled AS {query}")
        _profile(connection, "profiled", source, rules=rules, output=output, as_json=as_json, of="data")


@data.command()
@click.argument("workflow")
@STORE
def verify(workflow: str, store_url: str | None) -> None:
    """Read every byte of every version and compare it with its digest; exit 1 when something is not whole."""
    store, broken = open_store(store_url), 0
    refs = {each.ref: each for name in dataset_names(store, workflow) for each in all_versions(store, workflow, name)}
    for ref, version in refs.items():
        try:
            store.open(ref, verify=True)
        except MlopsError as err:
            broken += 1
            click.echo(f"{version.name}@{version.number}: {err}")
    click.echo(f"{len(refs)} datasets read, {broken} not whole")
    sys.exit(1 if broken else 0)


@data.command()
@click.argument("workflow")
@click.option(
    "--keep", default="", help="Age, as 90d, after which runs no longer hold what they made; default: they always do."
)
@click.option("--yes", is_flag=True, help="Remove; otherwise only say what would go.")
@STORE
def clean(workflow: str, keep: str, yes: bool, store_url: str | None) -> None:  # noqa: FBT001 (click's flag)
    """Remove content that nothing needs: no run, model, service, baseline or latest version."""
    from mlops_dag_factory.spec.base import parse_duration
    from mlops_provider.store.garbage import find_garbage, remove_garbage

    try:
        age = parse_duration(keep) if keep else None
    except ValueError as err:
        raise click.UsageError(f"--keep {err}") from err
    store = open_store(store_url)
    found = find_garbage(store, workflow, keep=age if isinstance(age, timedelta) else None)
    for each in found:
        click.echo(f"{each.key}  {each.size / 1e6:,.1f} MB  {each.why}")
    removed = remove_garbage(store, found) if yes else []
    if yes and (left := store.clean_scratch(older_than=_DAY)):
        click.echo(f"{left} folders of killed processes removed")
    total = sum(each.size for each in (removed if yes else found)) / 1e6
    click.echo(
        f"{len(removed if yes else found)} {'removed' if yes else 'may go (--yes removes them)'}, {total:,.1f} MB"
    )


def _find(store: Store, workflow: str, name: str) -> Version:
    """Give a version by 'phase', 'phase.output' or either with '@version'."""
    wanted, _, number = name.partition("@")
    known = dataset_names(store, workflow)
    wanted = wanted if "." in wanted else next((each for each in known if each.partition(".")[0] == wanted), wanted)
    versions = all_versions(store, workflow, wanted) if wanted in known else []
    if not versions:
        raise click.UsageError(f"{workflow} has no dataset '{wanted}'; it has: {', '.join(known) or 'none'}")
    if not number:
        return versions[-1]
    if not number.isdecimal() or not 1 <= int(number) <= len(versions):
        raise click.UsageError(f"'{wanted}' has the versions 1 to {len(versions)}, not '{number}'")
    return versions[int(number) - 1]


def _about(version: Version) -> dict[str, Any]:
    return {
        "dataset": version.name,
        "version": version.number,
        "rows": version.ref.rows,
        "at": version.at[:19],
        "owner": version.owner,
        "run": version.run,
        "digest": version.ref.digest[:12],
    }


def _show(rows: list[dict[str, Any]], *, as_json: bool, empty: str) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        click.echo(empty)
        return
    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(table)


def _profile(
    connection: Any, source: str, title: str, *, rules: bool, output: Path | None, as_json: bool, of: str
) -> None:
    from mlops_dag_factory.source import dump
    from mlops_provider.runtime.profile import profile as profile_of
    from mlops_provider.runtime.profile_page import profile_page
    from mlops_provider.runtime.proposal import propose_rules

    found = profile_of(connection, source)
    if output:
        output.write_text(profile_page(title, found), encoding="utf-8")
        click.echo(str(output), err=as_json or rules)
    if rules:
        phase = {"type": "validate", "data": of.partition("@")[0], **propose_rules(found)}
        click.echo(json.dumps(phase, indent=1) if as_json else dump({"checked": phase}), nl=as_json)
    elif as_json:
        click.echo(json.dumps(found, indent=1))
    elif not output:
        shown: Callable[[Any], str] = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)  # noqa: E731
        rows = [
            {
                key: shown(column.get(key, ""))
                for key in ("name", "type", "missing", "distinct", "minimum", "mean", "maximum")
            }
            for column in found["columns"]
        ]
        click.echo(f"{found['rows']:,} rows")
        _show(rows, as_json=False, empty="no columns")
