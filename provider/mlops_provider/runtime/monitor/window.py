"""Phase `monitor.window`: the latest rows that are watched, those of them whose label is due, and what is known of all.

Rows go from the log to Parquet without passing through Python. A window of more rows than are kept gives a sample,
the same whoever draws it: the rows whose ids have the smallest digests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.columns.files import write_profiles
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.monitor.about import (
    BASELINE_PROFILES_FILE,
    BASELINE_ROWS_FILE,
    PROFILES_FILE,
    About,
    write_about,
)
from mlops_provider.runtime.monitor.service.check import measure_requests
from mlops_provider.runtime.monitor.windows.baseline import Baseline, Like, model_parts, read_logged, read_table
from mlops_provider.runtime.monitor.windows.segments import WHOLE, Segments, flat, profile_parts, rows_of
from mlops_provider.runtime.monitor.windows.watched import Watched, watch
from mlops_provider.runtime.predictions import FAILED_STATUS, Stretch
from mlops_provider.runtime.table import connect, scan, write_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import duckdb

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.refs import DatasetRef
    from mlops_provider.runtime.monitor.windows.segments import Parts

_ANSWERED = f"status < {FAILED_STATUS} AND NOT again"
_LABELLED_PER_KEPT = 10
"""So many times more labelled rows than others are kept: performance is measured on rows."""


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (it reads the log)
    """Publish the window; when there is nothing to look at, there are no rows and the profile says why.

    What earlier versions answered is not in it: the live version is not blamed for their mistakes.
    """
    import duckdb

    store = context.store()
    with store.scratch() as spill, store.scratch() as folder:
        watched = watch(config, context, spill)
        if watched is None:
            why = f"{context.workflow}/{config.environment} has no live version"
            return _nothing(context, About(why=why), folder)
        while True:
            try:
                with connect(spill) as connection:
                    return _Reading(config, context, watched, context.clock(), connection, folder).publish()
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
    folder: Path
    outputs: dict[str, Any] = field(default_factory=dict)

    def publish(self) -> Outcome:
        about = replace(self._labelled(self._window()), ahead=self.watched.ahead())
        if not about.rows:
            later = f"; {about.ahead} hours of its log have not come yet" if about.ahead else ""
            about = replace(about, why=f"{self.watched} has given no predictions in the window{later}")
            if not about.labelled:
                return _nothing(self.context, about, self.folder)
        about = self._compared(about)
        self.outputs["profile"] = write_about(self.context, about, self.folder)
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

    def _compared(self, about: About) -> About:
        """Profile all rows of the window and what it is compared with."""
        signature = {} if self.watched.model else self.watched.signature.to_dict()
        about = replace(about, signature=signature)
        checks = self.config.checks
        wanted = checks.data_drift or checks.prediction_drift or checks.data_quality or self.config.segments
        if not (about.rows and wanted):
            return about
        profiles = self.watched.like()
        like = Like(profiles, Segments.of(self.config.segments, profiles))
        parts = self._parts(about, like)
        write_profiles(self.folder / PROFILES_FILE, flat(parts))
        baseline = self._baseline(about, like)
        if baseline.rows or like.segments:
            write_profiles(self.folder / BASELINE_PROFILES_FILE, flat(baseline.parts))
        if baseline.sample:
            (self.folder / BASELINE_ROWS_FILE).write_bytes(baseline.sample)
        before = profiles if self.config.baseline == "model" else baseline.parts[WHOLE]
        return replace(
            about,
            baseline=baseline.said,
            baseline_rows=baseline.rows,
            baseline_gone=baseline.gone,
            segments={name: rows_of(part) for name, part in parts.items() if name != WHOLE},
            new_segments=like.segments.new(before, parts[WHOLE]),
        )

    def _parts(self, about: About, like: Like) -> Parts:
        """Profile the rows where all are kept; else add up the hours of the log."""
        if about.sampled:
            since = self._stretch(self.at).since or datetime.fromisoformat(about.since)
            return self.watched.add_up(since, self.at, like).parts
        rows = f"SELECT * FROM {scan(self.context.store(), self.outputs['window'])} WHERE {_ANSWERED}"
        return profile_parts(self.connection, f"({rows})", like.profiles, like.segments)

    def _baseline(self, about: About, like: Like) -> Baseline:
        spec, store = self.config.baseline, self.context.store()
        if spec == "model":
            if self.watched.model is None:
                raise ConfigError(
                    "monitor.baseline: no version is live whose training data could be the baseline",
                    hint="baseline: {source: …}, or {rolling: 7d}",
                )
            return Baseline(model_parts(store, self.watched.model, like))
        if spec.in_log:
            window = self._stretch(self.at).since or datetime.fromisoformat(about.since), self.at
            found = read_logged(spec, self.watched, window, like)
        else:
            kept = f"{self.context.workflow}/monitor/{self.config.environment}/pieces"
            found = read_table(spec, self.context, store, kept, like)
        least = self.config.policy.minimum_rows
        if not found.gone and found.rows < least:
            why = f"{found.said} has {found.rows} rows, fewer than policy.minimum_rows ({least})"
            return replace(found, gone=why)
        return found

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
            few = min(int(2**64 * (most + 10 * math.sqrt(most) + 10) / rows), 2**64 - 1)
            below = f"{mark} <= {few}::UBIGINT"  # more than are kept, and few enough to be sorted quickly
            query = f"SELECT * FROM ({query}) WHERE {below} ORDER BY {mark}, ts, request_id, row LIMIT {most}"
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
        if about.ahead:
            said += f"\n\nThe log has {about.ahead} hours that have not come yet: the clock of a server is ahead."
        if about.unreadable:
            said += f"\n\n{len(about.unreadable)} files cannot be read and were left out."
        return said


def _nothing(context: RunContext, about: About, folder: Path) -> Outcome:
    return Outcome(
        outputs={"profile": write_about(context, about, folder)},
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
        "ahead": float(about.ahead),
        "due": float(about.due),
        "labelled": float(about.labelled),
        "coverage": about.coverage,
        "unreadable_files": float(len(about.unreadable)),
    }
