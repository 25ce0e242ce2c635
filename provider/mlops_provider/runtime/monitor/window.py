"""Read the window: the latest predictions of the live version with the labels that have arrived, as a dataset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.predictions import Window, read_window, signature_of
from mlops_provider.runtime.table import connect, write_dataset
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (it reads the log)
    """Publish the window; when there is nothing to look at, there is no output and the metrics say so.

    What earlier versions answered is not in it: the live version is not blamed for their mistakes.
    """
    store = context.store()
    served = read_service(store, context.workflow, config.environment).primary
    if served is None:
        return _nothing(f"{context.workflow}/{config.environment} has no live version")
    window = read_window(
        store,
        context.workflow,
        environment=config.environment,
        version=served.version,
        signature=signature_of(store, served),
        labels=config.labels,
        locate=context.locate,
        size=config.window.size,
        rows=config.window.rows,
    )
    if window is None or window.table.num_rows == 0:
        return _nothing(f"version {served.version} has given no predictions in the window")
    with connect() as connection:
        connection.register("mlops_window", window.table)
        lineage = {
            "service": f"{context.workflow}/{config.environment}",
            "version": served.version,
            "identity": context.identity,
        }
        ref = write_dataset(store, context.workflow, connection, "SELECT * FROM mlops_window", lineage=lineage)
    metrics = _measure(config, window)
    summary = (
        f"{window.table.num_rows:,} predictions of version {served.version}, "
        f"{metrics['labelled']:,.0f} with a label; {metrics['coverage']:.0%} of those whose label is due."
    )
    if window.unreadable:
        summary += f"\n\n{len(window.unreadable)} files cannot be read and were left out."
    return Outcome(outputs={"window": ref}, metrics=metrics, summary=summary, details={"unreadable": window.unreadable})


def _nothing(why: str) -> Outcome:
    metrics = {"rows": 0.0, "labelled": 0.0, "coverage": 0.0}
    return Outcome(metrics=metrics, summary=f"Nothing to look at: {why}.")


def _measure(config: MonitorSpec, window: Window) -> dict[str, float]:
    """Count rows and labels; `coverage` is the share of labelled rows among those older than the labels' delay."""
    import pyarrow as pa
    import pyarrow.compute as pc

    arrived = pc.is_valid(window.table["truth"])
    labelled = pc.sum(arrived).as_py() or 0
    coverage = 0.0
    if config.labels:
        due = pc.less_equal(window.table["ts"].cast(pa.timestamp("us", "UTC")), datetime.now(UTC) - config.labels.delay)
        coverage = float(pc.mean(arrived.filter(due)).as_py() or 0.0)
    return {
        "rows": float(window.table.num_rows),
        "labelled": float(labelled),
        "coverage": coverage,
        "unreadable_files": float(len(window.unreadable)),
    }
