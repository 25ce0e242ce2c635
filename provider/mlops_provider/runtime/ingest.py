"""Phase `ingest`: read data from outside into the store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError, SourceUnavailableError, StoreError
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.sources import deduplicated, read_sources, said_sources
from mlops_provider.runtime.sql import columns_of, said
from mlops_provider.runtime.table import connect, write_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.spec.ingest import IngestSpec

_CANNOT_WRITE = ("Could not write", "No space left", "failed to write")


def run(config: IngestSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (ingest has no inputs)
    """Read every source, join them by column name, type, deduplicate and publish."""
    named = said_sources(config)
    store = context.store()
    with store.scratch() as spill, connect(spill) as connection, explained(named):
        if config.incremental:
            from mlops_provider.runtime.increment import read_increment

            return read_increment(connection, config, context, spill)
        query = read_sources(connection, config, context, spill)
        columns = columns_of(connection, query)
        query = deduplicated(query, config) if config.deduplicate else query
        lineage = {"sources": named, "identity": context.identity}
        ref = write_dataset(
            store, context.workflow, connection, query, lineage=lineage, empty=f"source {named} has no rows"
        )
    summary = f"{ref.rows:,} rows, {len(columns)} columns from `{named}`."
    metrics = {"rows": float(ref.rows), "new_rows": float(ref.rows), "columns": float(len(columns))}
    return Outcome(outputs={"data": ref, "new": ref}, metrics=metrics, summary=summary)


@contextmanager
def explained(named: str) -> Iterator[None]:
    """Turn what DuckDB says of rows into errors that name the sources."""
    import duckdb

    try:
        yield
    except duckdb.ConversionException as err:
        raise DataError(
            f"a value of {named} does not fit its type: {said(err)}",
            hint="mend it, or give the column another type under 'columns'",
        ) from err
    except duckdb.Error as err:
        if isinstance(err, duckdb.InvalidInputException | duckdb.IOException) or type(err) is duckdb.Error:
            if any(sign in str(err) for sign in _CANNOT_WRITE):
                raise StoreError(f"the rows of {named} cannot be written: {said(err)}") from err
            raise DataError(f"{named} cannot be read: {said(err)}") from err
        raise
    except FileNotFoundError as err:
        raise DataError(f"{named} cannot be read: {err.filename or err} is gone") from err
    except OSError as err:
        raise SourceUnavailableError(f"{named} cannot be read now: {err}") from err
