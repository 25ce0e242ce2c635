"""Read the window: the latest predictions with the labels that have arrived, published as a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.predictions import live_signature, read_window
from mlops_provider.runtime.table import connect, write_dataset

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (it reads the log)
    """Publish the window; when there is nothing to look at, there is no output and the metrics say so."""
    store = context.store()
    signature = live_signature(store, context.workflow, config.environment)
    window = signature and read_window(
        store,
        context.workflow,
        environment=config.environment,
        signature=signature,
        labels=config.labels,
        locate=context.locate,
        size=config.window.size,
        rows=config.window.rows,
    )
    if not window or window.table.num_rows == 0:
        why = "nothing is live" if signature is None else "there are no predictions in the window"
        return Outcome(metrics={"rows": 0.0, "labelled": 0.0, "coverage": 0.0}, summary=f"Nothing to look at: {why}.")
    with connect() as connection:
        connection.register("mlops_window", window.table)
        lineage = {"service": f"{context.workflow}/{config.environment}", "identity": context.identity}
        ref = write_dataset(store, context.workflow, connection, "SELECT * FROM mlops_window", lineage=lineage)
    labelled = window.table.num_rows - window.table["truth"].null_count
    coverage = labelled / window.table.num_rows
    metrics = {
        "rows": float(window.table.num_rows),
        "labelled": float(labelled),
        "coverage": coverage,
        "unreadable_files": float(window.unreadable),
    }
    summary = f"{window.table.num_rows:,} predictions, {labelled:,} with a label ({coverage:.0%})."
    return Outcome(outputs={"window": ref}, metrics=metrics, summary=summary)
