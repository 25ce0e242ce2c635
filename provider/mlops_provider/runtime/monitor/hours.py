"""Phase `monitor.hours`: one task's share of the hours that a large window and its baseline are added up from.

The shares of all tasks make every piece that the window needs; the window then finds them, and makes what is missing.
So the result is the same with any number of tasks, and when one of them fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.monitor.windows.baseline import Like, spans
from mlops_provider.runtime.monitor.windows.pieces import HOUR
from mlops_provider.runtime.monitor.windows.segments import WHOLE, Segments, rows_of
from mlops_provider.runtime.monitor.windows.watched import LoggedPredictions, watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.runtime.monitor.windows.baseline import Span
    from mlops_provider.runtime.monitor.windows.pieces import Hour, Pieces


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (it reads the log)
    """Profile every n-th hour that has not been profiled yet; the item `part`, from 0 on, says which."""
    import duckdb

    store, part = context.store(), int(context.item.get("part", 0))
    with store.scratch() as folder:
        watched = watch(config, context, folder)
        if not isinstance(watched, LoggedPredictions):
            return Outcome(summary="There is no log to profile.")
        like = watched.like()
        pieces = watched.pieces(Like(like, Segments.of(config.segments, like)))
        while True:
            try:
                found = {hour: rows_of(pieces.piece(hour)[0][WHOLE]) for hour in _share(config, context, pieces, part)}
                break
            except duckdb.Error:
                if not watched.leave_out_damaged():
                    raise
    rows = sum(found.values())
    metrics = {"hours": float(len(found)), "rows": float(rows), "unreadable_files": float(len(watched.unreadable))}
    return Outcome(metrics=metrics, summary=f"{len(found)} hours with {rows:,} answered rows.")


def _share(config: MonitorSpec, context: RunContext, pieces: Pieces, part: int) -> Iterator[Hour]:
    at, size, tasks = context.clock(), config.window.size, config.window.tasks
    if size is None:
        return
    window = (at - size, at)
    wanted: list[tuple[Span, bool]] = [(window, False)]
    if config.baseline != "model" and config.baseline.in_log:
        wanted += [(span, True) for span in spans(config.baseline, window)]
    seen = set()
    for (since, until), others in wanted:
        for hour in pieces.hours(since, until, others=others):
            whole = since <= hour.begins and hour.begins + HOUR <= until
            if whole and hour.folder not in seen and round(hour.begins.timestamp() / 3600) % tasks == part:
                seen.add(hour.folder)
                yield hour
