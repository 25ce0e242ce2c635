"""`mlops render`: every value with its origin, or the workflow as Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from mlops_dag_factory.cli.reading import UNREADABLE
from mlops_dag_factory.reading import inspect_workflow
from mlops_dag_factory.render import to_python, values


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", default="", envvar="MLOPS_PROFILE", help="Render under this profile.")
@click.option("--python", "as_python", is_flag=True, help="Print the Python that makes the same workflow.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print one file with everything that it includes.")
@click.option("--all", "everything", is_flag=True, help="Show defaults too.")
@click.option("--json", "as_json", is_flag=True, help="Print the values as JSON.")
def render(file: Path, profile: str, as_python: bool, as_yaml: bool, everything: bool, as_json: bool) -> None:  # noqa: FBT001 (click's flags)
    """Show what a workflow file means, after includes and the profile, and where each value comes from."""
    reading = inspect_workflow(file, profile)
    if reading.workflow is None or reading.document is None:
        click.echo("\n".join(str(problem) for problem in reading.problems), err=True)
        sys.exit(UNREADABLE)
    if as_python:
        click.echo(to_python(reading.workflow), nl=False)
        return
    if as_yaml:
        click.echo(reading.workflow.to_yaml(), nl=False)
        return
    found = [value for value in values(reading.workflow, reading.document) if everything or value.origin != "default"]
    if as_json:
        click.echo(json.dumps([value._asdict() for value in found], indent=1, ensure_ascii=False))
        return
    width = min(70, max(len(f"{value.path} = {_shown(value.value)}") for value in found))
    for value in found:
        click.echo(f"{f'{value.path} = {_shown(value.value)}':{width}}  ", nl=False)
        click.secho(value.origin, dim=True)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 (the width of a value)
