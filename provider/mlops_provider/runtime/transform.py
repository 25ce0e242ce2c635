"""Phase `transform`: make a new dataset from one or many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.imports import import_allowed
from mlops_provider.runtime.sql import closed, identifier, said
from mlops_provider.runtime.table import connect, scan, write_dataset

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import TransformSpec


def run(config: TransformSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Run the SQL or the function over the inputs, each known by its phase's name."""
    import duckdb

    store = context.store()
    refs = [ref for ref in inputs["data"] if isinstance(ref, DatasetRef)]
    names = [reference.replace(".", "_") for reference in config.data]
    with store.scratch() as spill, connect(spill) as connection:
        for name, reference, ref in zip(names, config.data, refs, strict=True):
            for view in {name, reference.partition(".")[0], *(["data"] if len(refs) == 1 else [])}:
                connection.execute(f"CREATE OR REPLACE VIEW {identifier(view)} AS SELECT * FROM {scan(store, ref)}")
        lineage = {"data": [ref.digest for ref in refs], "identity": context.identity}
        query = closed(config.sql) if config.sql else _by_function(config, context, connection, names)
        try:
            made = write_dataset(
                store, context.workflow, connection, query, lineage=lineage, empty="the transform gave no rows"
            )
        except duckdb.Error as err:
            raise DataError(f"the SQL failed: {said(err)}") from err
    summary = f"{sum(ref.rows for ref in refs):,} rows became {made.rows:,}."
    return Outcome(outputs={"data": made}, metrics={"rows": made.rows}, summary=summary)


def _by_function(
    config: TransformSpec, context: RunContext, connection: duckdb.DuckDBPyConnection, names: list[str]
) -> str:
    import pandas as pd
    import pyarrow as pa

    function = import_allowed(config.python or "", context.allowed_imports)
    tables: dict[str, Any] = {
        name: connection.sql(f"SELECT * FROM {identifier(name)}").to_arrow_table() for name in names
    }
    result = function(tables if len(tables) > 1 else next(iter(tables.values())))
    if isinstance(result, pd.DataFrame):
        result = pa.Table.from_pandas(result, preserve_index=False)
    if not isinstance(result, pa.Table):
        raise ConfigError(
            f"'{config.python}' returned {type(result).__name__}", hint="return a pyarrow.Table or a frame"
        )
    connection.register("mlops_result", result)
    return "SELECT * FROM mlops_result"
