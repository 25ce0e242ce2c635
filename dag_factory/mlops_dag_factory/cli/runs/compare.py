"""`mlops runs compare`: two runs side by side, what changed, why a metric fell, what to look at next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.runs.group import usage_errors
from mlops_dag_factory.cli.store import JSON, STORE, open_store
from mlops_provider.settings import tracking_uri_from_environment

if TYPE_CHECKING:
    from rich.console import Console

    from mlops_provider.runtime.iterations.comparison import Comparison
    from mlops_provider.runtime.iterations.scores import Step


@click.command()
@click.argument("workflow")
@click.argument("runs", nargs=-1, metavar="[EARLIER [LATER]]")
@click.option("--phase", default="", help="Evaluation to explain; default: the first that is blocked, or the last.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a page.")
@click.option(
    "--tracking", help="MLflow that knows the champion; default: AIRFLOW__MLOPS__TRACKING_URI or 'mlops run's."
)
@STORE
@JSON
def compare(
    workflow: str,
    runs: tuple[str, ...],
    phase: str,
    output: Path | None,
    tracking: str | None,
    store_url: str | None,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """Compare two runs: parameters, metrics, verdicts, durations, usage, and what changed.

    A run is an id, 'latest', 'champion' or 'last-good'. Default: the latest run against its last good one; with one
    run, the latest against that.
    """
    if len(runs) > 2:  # noqa: PLR2004 (two runs are compared)
        raise click.UsageError(f"two runs are compared, not {len(runs)}")
    from mlops_provider.runtime.iterations.comparison import compare as compare_two
    from mlops_provider.runtime.iterations.named import LAST_GOOD, LATEST, find_run
    from mlops_provider.runtime.iterations.page import comparison_page

    store, uri = open_store(store_url), tracking or tracking_uri_from_environment()
    first, second = (*runs, LAST_GOOD, LATEST)[:2] if not runs else (runs[0], (*runs, LATEST)[1])
    with usage_errors():
        later = find_run(store, workflow, second, tracking_uri=uri, phase=phase)
        earlier = find_run(store, workflow, first, tracking_uri=uri, before=later, phase=phase)
        if phase and not (phase in earlier.phases and phase in later.phases):
            both = [name for name, record in later.phases.items() if record["phase_type"] == "evaluate"]
            raise click.UsageError(f"not both runs have an evaluation '{phase}'; of the later: {', '.join(both)}")
        found = compare_two(store, earlier, later, phase=phase)
    if output:
        output.write_text(comparison_page(found), encoding="utf-8")
        click.echo(str(output), err=as_json)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1, default=str))
    elif not output:
        from rich.console import Console

        _print(found, Console())


def _print(found: Comparison, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    for word, run in (("earlier", found.earlier), ("later", found.later)):
        console.print(Text.assemble((f"{word:<8}", "bold"), f"{run.run_id}  {run.started[:19].replace('T', ' ')}"))
    if (explanation := found.explanation) and explanation.earlier.by:
        console.print(Text(f"        {explanation.phase} was {explanation.earlier.status}: {explanation.earlier.by}"))
    for phase, steps in found.metrics.items():
        table = Table(phase, "earlier", "later", "difference", "", box=None, header_style="bold")
        for step in steps:
            table.add_row(*_cells(step))
        console.print()
        console.print(table)
    _print_phases(found, console)
    _print_changes(found, console)


def _print_phases(found: Comparison, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("phase", "status", "verdict", "seconds", "peak MiB", box=None, header_style="bold")
    for pair in found.phases:
        numbers = [" → ".join("-" if v is None else f"{v:.1f}" for v in each) for each in (pair.seconds, pair.memory)]
        table.add_row(Text(pair.phase), _moved(pair.status), _moved(pair.verdict), *numbers)
    for name, (old, new) in found.parameters.items():
        if old != new:
            console.print(Text(f"parameter {name}: {old} → {new}"))
    console.print()
    console.print(table)


def _print_changes(found: Comparison, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    explanation = found.explanation
    table = Table("what changed", "how", box=None, header_style="bold")
    for change in found.changes.changes:
        table.add_row(change.kind, Text(change.says))
    console.print()
    console.print(table if found.changes.changes else "Nothing changed.")
    if found.changes.same:
        console.print(f"[dim]the same: {', '.join(found.changes.same)}[/]")
    for each in (*found.changes.unknown, *(explanation.missing if explanation else ())):
        console.print(Text(f"not computed: {each}", "dim"))
    if explanation and explanation.proposal:
        console.print("\n[bold]what to look at next[/]")
        for number, text in enumerate(explanation.proposal, start=1):
            console.print(Text(f"{number}. {text}"))


def _cells(step: Step) -> list[str]:
    from mlops_provider.runtime.iterations.words import judged

    colour = {True: "green", False: "red", None: ""}[step.better]
    values = ["-" if value is None else f"{value:.4g}" for value in (step.earlier, step.later)]
    moved = "" if step.difference is None else f"{step.difference:+.4g}"
    word = judged(step)
    return [step.name, *values, moved, f"[{colour}]{word}[/]" if colour else word]


def _moved(values: tuple[str | None, str | None]) -> str:
    old, new = (value or "-" for value in values)
    return new if old == new else f"{old} → {new}"
