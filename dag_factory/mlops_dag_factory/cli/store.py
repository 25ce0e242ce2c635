"""What commands about a store share: their options, how it is opened, how errors end them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from mlops_provider.exceptions import MlopsError
from mlops_provider.settings import store_url_from_environment
from mlops_provider.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

STORE = click.option(
    "--store", "store_url", help="Store to look in; default: AIRFLOW__MLOPS__STORE, Airflow's home or 'mlops run's."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_store(url: str | None) -> Store:
    """Open the store that a command is about."""
    return Store(url or store_url_from_environment())


@contextmanager
def errors() -> Iterator[None]:
    """Say what went wrong, and end with 1, without a traceback."""
    try:
        yield
    except MlopsError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
