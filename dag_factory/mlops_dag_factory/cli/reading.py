"""Read the workflow that a command is about, or say what is wrong with it and end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.errors import WorkflowError
from mlops_dag_factory.reading import read_workflow

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_dag_factory.spec import Workflow

UNREADABLE = 2


def read_or_exit(file: Path, profile: str = "") -> Workflow:
    """Give the workflow of a file; its problems go to standard error, and the exit code is 2."""
    try:
        return read_workflow(file, profile)
    except WorkflowError as err:
        click.echo(str(err), err=True)
        sys.exit(UNREADABLE)
