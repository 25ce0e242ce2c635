"""`mlops diff`: what a new version of a workflow changes, by meaning."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.reading import read_or_exit
from mlops_dag_factory.difference import differences, touched_phases
from mlops_dag_factory.violations import shown

if TYPE_CHECKING:
    from mlops_dag_factory.difference import Change

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option("--profile", default="", envvar="MLOPS_PROFILE", help="Compare under this profile.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def diff(before: Path, after: Path, profile: str, as_json: bool) -> None:  # noqa: FBT001 (click's flag)
    """Compare two workflow files by meaning; exit 0 when they mean the same, 1 when they differ."""
    old, new = read_or_exit(before, profile), read_or_exit(after, profile)
    changes, touched = differences(old, new), touched_phases(old, new)
    if as_json:
        found = {"changes": [change.to_dict() for change in changes], "phases": touched}
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        for change in changes:
            sign, colour = _SIGNS[change.kind]
            click.secho(f"{sign} {line(change)}", fg=colour)
        click.echo(f"phases whose work may change: {', '.join(touched)}" if touched else _untouched(changes))
    sys.exit(1 if changes else 0)


def line(change: Change) -> str:
    """Give a change in one line."""
    if change.kind == "changed":
        return f"{change.path}: {shown(change.before)} -> {shown(change.after)}"
    value = change.after if change.kind == "added" else change.before
    if isinstance(value, dict):
        return f"{change.path}: {json.dumps(value, ensure_ascii=False)}"
    return f"{change.path}: {shown(value)}"


def _untouched(changes: list[Change]) -> str:
    return "no phase is changed" if changes else "they mean the same"
