"""`mlops graph`: the phases of a workflow as Mermaid or as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_dag_factory.cli.reading import read_or_exit
from mlops_dag_factory.graph import to_mermaid, to_svg


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["mermaid", "svg"]), help="Default: by the output's ending.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@click.option("--profile", default="", envvar="MLOPS_PROFILE", help="Draw under this profile.")
def graph(file: Path, form: str | None, output: Path | None, profile: str) -> None:
    """Draw a workflow."""
    workflow = read_or_exit(file, profile)
    form = form or ("svg" if output is not None and output.suffix == ".svg" else "mermaid")
    text = to_svg(workflow) if form == "svg" else to_mermaid(workflow)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
