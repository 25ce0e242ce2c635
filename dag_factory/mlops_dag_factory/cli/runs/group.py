"""What the commands about runs share: the group, how errors end them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mlops_dag_factory.cli.store import errors
from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.runtime.records import Record

STYLES = {"succeeded": "green", "failed": "red", "blocked": "yellow", "rejected": "yellow"}


@click.group()
def runs() -> None:
    """List runs, show one, compare two, tag them."""


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn what was asked for and is not there into a usage error, and any other failure into exit code 1."""
    with errors():
        try:
            yield
        except ConfigError as err:
            raise click.UsageError(str(err)) from err


def status_of(records: list[Record]) -> str:
    """Say how a run ended, of the last records of its phases."""
    statuses = {record["status"] for record in records}
    return next((word for word in ("failed", "blocked", "rejected") if word in statuses), "succeeded")


def styled(status: str) -> Any:
    """Give a status in its colour."""
    from rich.text import Text

    return Text(status, STYLES.get(status, ""))
