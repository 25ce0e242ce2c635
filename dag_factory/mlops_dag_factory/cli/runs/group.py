"""What the commands about runs share: the group, their options, how errors end them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mlops_provider.exceptions import ConfigError, MlopsError
from mlops_provider.settings import store_url_from_environment
from mlops_provider.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.runtime.records import Record

STYLES = {"succeeded": "green", "failed": "red", "blocked": "yellow", "rejected": "yellow"}
STORE = click.option(
    "--store", "store_url", help="Store to read; default: AIRFLOW__MLOPS__STORE, Airflow's home or 'mlops run's."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def runs() -> None:
    """List runs, show one, compare two, tag them."""


def open_store(url: str | None) -> Store:
    """Open the store that a command is about."""
    return Store(url or store_url_from_environment())


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn what was asked for and is not there into a usage error, and any other failure into exit code 1."""
    try:
        yield
    except ConfigError as err:
        raise click.UsageError(str(err)) from err
    except MlopsError as err:
        raise click.ClickException(str(err)) from err


def status_of(records: list[Record]) -> str:
    """Say how a run ended, of the last records of its phases."""
    statuses = {record["status"] for record in records}
    return next((word for word in ("failed", "blocked", "rejected") if word in statuses), "succeeded")


def styled(status: str) -> Any:
    """Give a status in its colour."""
    from rich.text import Text

    return Text(status, STYLES.get(status, ""))
