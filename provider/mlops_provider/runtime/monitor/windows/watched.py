"""What a monitor watches: rows with what a model got and gave, in time, whose true outcomes arrive later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

from mlops_provider.runtime.monitor.windows.pieces import Pieces
from mlops_provider.runtime.monitor.windows.profiles import model_profiles
from mlops_provider.runtime.monitor.windows.table_rows import TableRows
from mlops_provider.runtime.predictions import (
    hour_name,
    is_sound,
    log_files,
    log_hours,
    rows_query,
    signature_of,
    with_labels,
)
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import duckdb

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.monitor.windows.baseline import Like
    from mlops_provider.runtime.monitor.windows.pieces import Added
    from mlops_provider.runtime.predictions import Stretch
    from mlops_provider.store.models import Signature


_CLOCKS = timedelta(minutes=15)


class Watched(Protocol):
    """Rows that can be read stretch by stretch."""

    signature: Signature
    unreadable: list[str]
    """Files that were left out."""

    @property
    def model(self) -> ModelRef | None:
        """The live version's model."""
        ...

    def __str__(self) -> str:
        """Say whose rows they are."""
        ...

    def lineage(self) -> dict[str, str]:
        """Say where the rows come from, for the record."""
        ...

    def rows(self, connection: duckdb.DuckDBPyConnection, stretch: Stretch) -> str:
        """Give the SQL of a stretch in no order, '' where it has no rows.

        Its columns: request_id, row, ts, version, latency_ms, status, entity_id, probability, prediction, `x_` and the
        name of each feature, truth (null as long as it is not known), again (true: answered once more later).
        """
        ...

    def like(self) -> dict[str, ColumnProfile]:
        """Give profiles whose kinds and centres are those of all that is compared."""
        ...

    def add_up(self, since: datetime, until: datetime, like: Like, *, others: bool = False) -> Added:
        """Profile the answered rows of a stretch, whole and by segment.

        With `others` the features are those that all versions got, the predictions those of the watched one.
        """
        ...

    def ahead(self) -> int:
        """Count the hours of rows that have not come yet: the clock of who wrote them is ahead of ours."""
        ...

    def leave_out_damaged(self) -> bool:
        """After an error, leave out the files that are damaged; False: none is."""
        ...


@dataclass(slots=True)
class LoggedPredictions:
    """The prediction log of one version; what earlier ones answered is not its fault."""

    config: MonitorSpec
    context: RunContext
    version: str
    model: ModelRef
    signature: Signature
    unreadable: list[str] = field(default_factory=list)
    _read: set[Path] = field(default_factory=set)
    _damaged: set[Path] = field(default_factory=set)

    def __str__(self) -> str:
        """Say whose rows they are."""
        return f"version {self.version}"

    @property
    def key(self) -> str:
        """Key of the log in the store."""
        return f"{self.context.workflow}/predictions/{self.config.environment}"

    def lineage(self) -> dict[str, str]:
        """Say where the rows come from, for the record."""
        return {"service": f"{self.context.workflow}/{self.config.environment}", "version": self.version}

    def rows(self, connection: duckdb.DuckDBPyConnection, stretch: Stretch) -> str:
        """Give the SQL of a stretch, '' where it has no rows."""
        found, unreadable = log_files(self.context.store(), self.key, self.version, stretch)
        files = [file for file in found if file not in self._damaged]
        self._note(map(str, unreadable))
        if not files:
            return ""
        self._read.update(files)
        query = rows_query(connection, files, self.signature, stretch)
        query, lost = with_labels(connection, query, self.config.labels, self.signature, self.context.locate, keep=True)
        self._note(lost)
        return query

    def like(self) -> dict[str, ColumnProfile]:
        """Give the profiles of what the version was trained on."""
        return model_profiles(self.context.store(), self.model, self.signature)

    def pieces(self, like: Like) -> Pieces:
        """Give the pieces of the log that are profiled like a baseline."""
        return Pieces(
            store=self.context.store(),
            log=self.key,
            kept=f"{self.context.workflow}/monitor/{self.config.environment}/pieces",
            version=self.version,
            signature=self.signature,
            like=like.profiles,
            segments=like.segments,
            leave_out=self._damaged,
            reading=self._read.update,
        )

    def add_up(self, since: datetime, until: datetime, like: Like, *, others: bool = False) -> Added:
        """Profile the answered rows of a stretch: whole hours from their pieces."""
        return self.pieces(like).add_up(since, until, others=others)

    def ahead(self) -> int:
        """Count the hours of the log that have not come yet by the wall's clock, to a quarter of an hour."""
        latest = hour_name(datetime.now(UTC) + _CLOCKS)
        hours = log_hours(self.context.store(), self.key, self.version)
        return sum(1 for _ in takewhile(lambda hour: hour[0] > latest, hours))

    def leave_out_damaged(self) -> bool:
        """After an error, leave out the files that are damaged; False: none is."""
        damaged = {file for file in self._read - self._damaged if not is_sound(file)}
        self._damaged |= damaged
        self._note(map(str, sorted(damaged)))
        return bool(damaged)

    def _note(self, files: Iterable[str]) -> None:
        self.unreadable += [file for file in files if file not in self.unreadable]


def watch(config: MonitorSpec, context: RunContext, folder: Path) -> Watched | None:
    """Give what the monitor watches; None: no version is live. `folder` holds what is read from elsewhere."""
    if config.data != "predictions":
        return TableRows.read(config, config.data, context, folder)
    store = context.store()
    served = read_service(store, context.workflow, config.environment).primary
    if served is None:
        return None
    return LoggedPredictions(config, context, served.version, served.model, signature_of(store, served))
