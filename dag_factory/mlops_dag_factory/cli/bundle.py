"""`mlops bundle`: what was packaged for devices."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def bundle() -> None:
    """Check what was packaged for devices."""


@bundle.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--key", type=click.Path(exists=True, dir_okay=False), default="", help="Public key (PEM) of who signed.")
def verify(folder: Path, key: str) -> None:
    """Compare every file of the bundle in FOLDER with its digests, and these with their signature."""
    from mlops_provider.exceptions import MlopsError
    from mlops_provider.runtime.images.signature import verify as check

    try:
        files = check(folder, key)
    except MlopsError as err:
        raise click.ClickException(str(err)) from err
    click.echo(f"{files} files are as they were {'signed' if key else 'made; give --key to compare the signature'}")
