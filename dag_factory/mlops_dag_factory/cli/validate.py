"""`mlops validate`: every mistake of workflow files, with file, line, column and what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_dag_factory.cli.excerpt import excerpt
from mlops_dag_factory.cli.sarif import to_sarif
from mlops_dag_factory.cli.store import errors
from mlops_dag_factory.reading import inspect_profiles, inspect_workflow
from mlops_dag_factory.source import workflow_files as sorted_files
from mlops_provider.evidence_policy import read_policies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlops_dag_factory.errors import Problem

_COLOURS = {"error": "red", "warning": "yellow"}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE…", type=click.Path(exists=True, path_type=Path))
@click.option("--profile", default="", envvar="MLOPS_PROFILE", help="Check under this profile; default: under each.")
@click.option(
    "--policies",
    "policy_file",
    default="",
    envvar="AIRFLOW__MLOPS__POLICIES",
    help="Policies of the deployment, by risk class: what must come before a release.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all problems as JSON.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print all problems as SARIF 2.1.0.")
@click.option("--excerpt/--no-excerpt", "excerpts", default=None, help="Show the lines; default: on a terminal.")
def validate(
    paths: tuple[Path, ...],
    profile: str,
    policy_file: str,
    as_json: bool,  # noqa: FBT001 (click's flag)
    as_sarif: bool,  # noqa: FBT001 (click's flag)
    excerpts: bool | None,  # noqa: FBT001 (click's flag)
) -> None:
    """Check workflow files, or all of a folder; exit 1 when one has an error."""
    files = list(dict.fromkeys(workflow_files(paths)))
    if not files:
        raise click.UsageError("these folders hold no *.yaml and no *.yml file")
    with errors():
        policies = read_policies(policy_file) if policy_file else {}
    problems = [
        problem
        for file in files
        for problem in (
            inspect_workflow(file, profile, policies).problems if profile else inspect_profiles(file, policies)
        )
    ]
    if as_json and as_sarif:
        raise click.UsageError("--json and --sarif exclude each other")
    if as_json:
        click.echo(to_json(problems))
    elif as_sarif:
        click.echo(to_sarif(problems))
    else:
        show(problems, excerpts=sys.stdout.isatty() if excerpts is None else excerpts)
        click.echo(summary(len(files), problems))
    sys.exit(1 if any(problem.severity == "error" for problem in problems) else 0)


def workflow_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Give the files, and those below the folders, sorted within each folder."""
    for path in paths:
        if path.is_dir():
            yield from sorted_files(path)
        else:
            yield path


def to_json(problems: Iterable[Problem]) -> str:
    """Give `{"problems": [{file, line, column, path, code, severity, message, hint}]}`."""
    return json.dumps({"problems": [problem.to_dict() for problem in problems]}, indent=1, ensure_ascii=False)


def show(problems: Iterable[Problem], *, excerpts: bool) -> None:
    """Print problems; with the lines that they stand in, where wanted."""
    for problem in problems:
        click.secho(problem.headline, fg=_COLOURS[problem.severity])
        if excerpts and (lines := excerpt(problem)):
            click.echo(lines)
        if problem.hint:
            click.echo(f"  hint: {problem.hint}")


def summary(files: int, problems: Iterable[Problem]) -> str:
    """Give one line: how many files, errors and warnings."""
    severities = [problem.severity for problem in problems]
    counts = [(files, "file"), *((severities.count(kind), kind) for kind in ("error", "warning"))]
    words = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts]
    return f"{words[0]}: {', '.join(words[1:])}" if severities else f"{words[0]}: no problems"
