"""`mlops new`: a workflow that runs, or a phase type that installs."""

from __future__ import annotations

import getpass
import keyword
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.scaffold import SAMPLES, phase_files, workflow_files, write_new
from mlops_dag_factory.spec.base import IDENTIFIER, WORKFLOW_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = click.option(
    "--folder", default=".", type=click.Path(file_okay=False, path_type=Path), help="Where; default: here."
)


@click.group()
def new() -> None:
    """Start a workflow or a phase type."""


@new.command()
@click.argument("name", metavar="ID")
@click.option("--owner", default="", help="Who answers for it; default: you.")
@click.option("--sample", default=SAMPLES[0], type=click.Choice(SAMPLES), help="What it starts as.", show_default=True)
@_FOLDER
def workflow(name: str, owner: str, sample: str, folder: Path) -> None:
    """Write a workflow file that runs as it is, and the schema for the editor."""
    if not re.fullmatch(WORKFLOW_ID, name):
        raise click.UsageError(f"'{name}' is not a workflow id: lower-case letters, digits, _ and -, first a letter")
    files = workflow_files(name, owner or getpass.getuser(), sample)
    schema = "workflow.schema.json"
    if (folder / schema).exists():
        files.pop(schema)  # another workflow has brought it
    _write(folder, files)
    click.echo(f"next: mlops run {folder / name}.yaml")


@new.command()
@click.argument("name")
@_FOLDER
def phase(name: str, folder: Path) -> None:
    """Write a project for a new phase type: spec, operator, work, test and page."""
    if not re.fullmatch(IDENTIFIER, name) or keyword.iskeyword(name):
        raise click.UsageError(
            f"'{name}' is not a name for a phase type: lower-case letters, digits and _, first a letter"
        )
    if name in phase_types():
        raise click.UsageError(f"there is a phase type '{name}' already")
    target = folder / f"mlops-phase-{name.replace('_', '-')}"
    _write(target, phase_files(name))
    click.echo(f"next: pip install {target}")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        for path in write_new(folder, files):
            click.echo(str(path))
    except OSError as err:
        click.echo(f"nothing was written: {err}", err=True)
        sys.exit(1)
