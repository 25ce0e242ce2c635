"""Phase `monitor.window`: the latest rows that are watched, those of them whose label is due, and what is known of all.

Rows go from the log to Parquet without passing through Python. A window of more rows than are kept gives a sample,
the same whoever draws it: the rows whose ids have the smallest digests.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.monitor.about import About, write_about
from mlops_provider.runtime.monitor.service import measure_requests
from mlops_provider.runtime.monitor.watched import Watched, watch
from mlops_provider.runtime.predictions import FAILED_STATUS, Stretch
from mlops_provider.runtime.table import connect, write_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.refs import DatasetRef, Ref

_ANSWERED = f"status < {FAILED_STATUS} AND NOT again"
_LABELLED_PER_KEPT = 10
"""So many times more labelled rows than others are kept: performance is measured on rows."""


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (it reads the log)
    """Publish the window; when there is nothing to look at, there are no rows and the profile says why.

    What earlier versions answered is not in it: the live version is not blamed for their mistakes.
    """
    import duckdb

    store = context.store()
    watched = watch(config, context)
    if watched is None:
        return _nothing(context, About(why=f"{context.workflow}/{config.environment} has no live version"))
    while True:
        try:
            with store.scratch() as spill, connect(spill) as connection:
                return _Reading(config, context, watched, context.clock(), connection).publish()
        except duckdb.Error:
            if not watched.leave_out_damaged():
                raise


@dataclass(slots=True)
class _Reading:
    """One try at reading the window."""

    config: MonitorSpec
    context: RunContext
    watched: Watched
    at: datetime
    connection: duckdb.DuckDBPyConnection
    outputs: dict[str, Ref] = field(default_factory=dict)

    def publish(self) -> Outcome:
        about = self._labelled(self._window())
        if not about.rows:
            about = replace(about, why=f"{self.watched} has given no predictions in the window")
            if not about.labelled:
                return _nothing(self.context, about)
        self.outputs["profile"] = write_about(self.context, about)
        return Outcome(
            outputs=self.outputs,
            metrics=_metrics(about),
            summary=self._summary(about),
            details={"unreadable": list(about.unreadable)},
        )

    def _window(self) -> About:
        stretch = self._stretch(self.at)
        query = self.watched.rows(self.connection, stretch)
        if not query:
            return About(unreadable=tuple(self.watched.unreadable))
        counts = self._count(
            query,
            {
                "rows": "count(*)",
                "answered": f"count(*) FILTER ({_ANSWERED})",
                "again": "count(*) FILTER (again)",
                "since": "min(ts)",
                "until": "max(ts)",
            },
        )
        if not counts["rows"]:
            return About(unreadable=tuple(self.watched.unreadable))
        kept = self._keep("window", query, counts["rows"], self.config.window.kept)
        size = self.config.window.size
        service = measure_requests(self.connection, query, size.total_seconds() if size else 0.0)
        return About(**counts, kept=kept, service=service, unreadable=tuple(self.watched.unreadable))

    def _labelled(self, about: About) -> About:
        """Publish the rows on which performance is judged: of the latest window whose labels are due."""
        labels = self.config.labels
        stretch = self._stretch(self.at - (labels.delay if labels else timedelta(0)))
        query = self.watched.rows(self.connection, stretch)
        if not query:
            return about
        counts = self._count(
            f"SELECT * FROM ({query}) WHERE {_ANSWERED}",
            {
                "due": "count(*)",
                "labelled": "count(truth)",
                "due_since": "min(ts)",
                "due_until": "max(ts)",
            },
        )
        kept = 0
        if counts["labelled"]:
            wanted = f"SELECT * FROM ({query}) WHERE {_ANSWERED} AND truth IS NOT NULL"
            kept = self._keep("due", wanted, counts["labelled"], self.config.window.kept * _LABELLED_PER_KEPT)
        return replace(about, **counts, labelled_kept=kept, unreadable=tuple(self.watched.unreadable))

    def _stretch(self, until: datetime) -> Stretch:
        window = self.config.window
        since = until - window.size if window.size is not None else None
        return Stretch(since, until, window.rows)

    def _count(self, query: str, wanted: Mapping[str, str]) -> dict[str, Any]:
        columns = ", ".join(f"{sql} AS {name}" for name, sql in wanted.items())
        row = self.connection.execute(f"SELECT {columns} FROM ({query})").fetchone() or ()
        found = dict(zip(wanted, row, strict=True))
        return {
            name: value.isoformat() if isinstance(value, datetime) else value if value is not None else ""
            for name, value in found.items()
        }

    def _keep(self, name: str, query: str, rows: int, most: int) -> int:
        """Publish rows in the order of time, all of them or a sample; give how many."""
        if rows > most:
            mark = "md5_number_lower(concat_ws('/', request_id, row, ts))"
            query = f"SELECT * FROM ({query}) ORDER BY {mark}, ts, request_id, row LIMIT {most}"
        ordered = f"SELECT * FROM ({query}) ORDER BY ts, request_id, row"
        lineage = {**self.watched.lineage(), "identity": self.context.identity}
        ref: DatasetRef = write_dataset(
            self.context.store(), self.context.workflow, self.connection, ordered, lineage=lineage
        )
        self.outputs[name] = ref
        return ref.rows

    def _summary(self, about: About) -> str:
        said = (
            f"{about.rows:,} predictions of {self.watched}, {about.labelled:,} with a label; "
            f"{about.coverage:.0%} of those whose label is due."
        )
        if about.sampled:
            said += f"\n\n{about.kept:,} of them are kept as rows; the profile is of all."
        if about.again:
            said += f"\n\n{about.again:,} were answered once more later: they count once."
        if about.unreadable:
            said += f"\n\n{len(about.unreadable)} files cannot be read and were left out."
        return said


def _nothing(context: RunContext, about: About) -> Outcome:
    return Outcome(
        outputs={"profile": write_about(context, about)},
        metrics=_metrics(about),
        summary=f"Nothing to look at: {about.why}.",
        details={"unreadable": list(about.unreadable)},
    )


def _metrics(about: About) -> dict[str, float]:
    """Count rows and labels; `coverage` is the share of labelled rows among those whose label is due."""
    return {
        "rows": float(about.rows),
        "kept": float(about.kept),
        "again": float(about.again),
        "due": float(about.due),
        "labelled": float(about.labelled),
        "coverage": about.coverage,
        "unreadable_files": float(len(about.unreadable)),
    }
