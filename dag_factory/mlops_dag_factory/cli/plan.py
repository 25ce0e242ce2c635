"""`mlops plan`: what a run would do, before it does anything."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.reading import read_or_exit
from mlops_dag_factory.cli.run import choices, parse_parameters
from mlops_dag_factory.plan import plan as plan_run

if TYPE_CHECKING:
    from mlops_dag_factory.plan import Step

_COLOURS = {"runs": "green", "may run": "yellow", "left out": "bright_black", "refused": "red"}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="Set a parameter; may be repeated.")
@click.option("--preset", default="", help="Preset of parameter values.")
@click.option("--scene", default="", help="Plan the phases of this scene only.")
@click.option("--profile", default="", envvar="MLOPS_PROFILE", help="Overlay of the file to plan with.")
@click.option("--store", default="", help="Store to look in; default: Airflow's, or that of `mlops run` here.")
@click.option("--json", "as_json", is_flag=True, help="Print the steps as JSON.")
def plan(
    file: Path,
    params: tuple[str, ...],
    preset: str,
    scene: str,
    profile: str,
    store: str,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """Show what would run, on what, and why; exit 1 when something is missing."""
    from mlops_provider.settings import store_url_from_environment
    from mlops_provider.store.store import Store

    workflow = read_or_exit(file, profile)
    choices(workflow, preset, scene, "")
    values = {**workflow.presets.get(preset, {}), **parse_parameters(workflow, params)}
    local = Path(".mlops/run/store")
    where = store or (str(local.absolute()) if local.is_dir() else store_url_from_environment())
    steps = plan_run(workflow, values, scene=scene, store=Store(where))
    if as_json:
        click.echo(json.dumps([step.to_dict() for step in steps], indent=1, ensure_ascii=False))
    else:
        show(steps)
    sys.exit(1 if any(step.action == "refused" for step in steps) else 0)


def show(steps: list[Step]) -> None:
    """Print a line for each phase, and below it what it takes and why."""
    width = max(len(step.phase) for step in steps)
    for step in steps:
        click.secho(f"{step.action:8}", fg=_COLOURS[step.action], nl=False)
        click.echo(f"  {step.phase:{width}}  {step.type}")
        for line in (*step.inputs, *step.why):
            click.secho(f"{'':10}{line}", dim=True)
