"""Whether enough new data is there for an ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.increment import Progress
from mlops_provider.runtime.ingest import explained
from mlops_provider.runtime.sources import files_of, read_sources, said_sources
from mlops_provider.runtime.table import connect

if TYPE_CHECKING:
    from mlops_dag_factory.spec.ingest import IngestSpec
    from mlops_provider.runtime.contract import RunContext


class Arrival(NamedTuple):
    """What has arrived: whether it is enough, and a sentence about it."""

    enough: bool
    said: str


def look_for_data(config: IngestSpec, context: RunContext) -> Arrival:
    """Count the new files and, where rows count, their rows."""
    assert config.wait is not None
    incremental = config.incremental is not None and config.incremental.files
    try:
        files = Progress.read(context).new_files(config, context) if incremental else files_of(config, context)
    except DataError:
        files = {}
    said = f"{len(files)} new files of {said_sources(config)}, {config.wait.files} are waited for"
    if len(files) < config.wait.files:
        return Arrival(enough=False, said=said)
    if config.wait.rows == 0:
        return Arrival(enough=True, said=said)
    with context.store().scratch() as spill, connect(spill) as connection, explained(said_sources(config)):
        query = read_sources(connection, config, context, spill, files=files)
        rows = int((connection.execute(f"SELECT count(*) FROM ({query})").fetchone() or (0,))[0])
    return Arrival(
        rows >= config.wait.rows, f"{rows:,} new rows of {said_sources(config)}, {config.wait.rows:,} are waited for"
    )
