"""Phase `transform`: make a new dataset from one or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.imports import import_allowed
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.functions import call_on_tables
from mlops_provider.runtime.sql import closed, identifier, said
from mlops_provider.runtime.table import confine, connect, scan, write_dataset

if TYPE_CHECKING:
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
        confine(connection, store, refs)
        made_of = dict(zip(config.data, (ref.digest for ref in refs), strict=True))
        lineage = {"data": made_of, "identity": context.identity}
        if config.sql:
            query = closed(config.sql)
        else:
            function = import_allowed(config.python or "", context.allowed_imports)
            query = call_on_tables(connection, function, config.python or "", names)
        try:
            made = write_dataset(
                store, context.workflow, connection, query, lineage=lineage, empty="the transform gave no rows"
            )
        except duckdb.Error as err:
            raise DataError(f"the SQL failed: {said(err)}") from err
    summary = f"{sum(ref.rows for ref in refs):,} rows became {made.rows:,}."
    return Outcome(outputs={"data": made}, metrics={"rows": made.rows}, summary=summary)
