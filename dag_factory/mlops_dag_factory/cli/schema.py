"""`mlops schema`: the JSON Schema of the workflow file, with the phase types that are installed here."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlops_dag_factory.reference import reference
from mlops_dag_factory.schema import workflow_schema


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@click.option("--markdown", is_flag=True, help="The reference for people, as Markdown.")
def schema(output: Path | None, markdown: bool) -> None:  # noqa: FBT001 (click's flag)
    """Print the JSON Schema, for editors: '# yaml-language-server: $schema=workflow.schema.json'."""
    text = reference() if markdown else json.dumps(workflow_schema(), indent=1, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(str(output))
