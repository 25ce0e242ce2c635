"""Pieces: the profiles of one hour of the prediction log, made once and added up ever after.

A piece is named by what it is of: version, hour, the files of the log with their sizes, and how they are profiled. A
file that comes late makes another piece; an old one is never changed. Two monitors that make one piece at the same
moment write the same bytes, and one of them stays. Beside the profiles lies a small sample of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.files import read_profiles, write_profiles
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION
from mlops_provider.runtime.monitor.windows.segments import WHOLE, add_parts, flat, profile_parts, rows_of, unflat
from mlops_provider.runtime.predictions import (
    FAILED_STATUS,
    Stretch,
    hour_name,
    log_hours,
    plain_rows,
    repeated,
    rows_query,
)
from mlops_provider.runtime.sql import literal
from mlops_provider.runtime.table import connect
from mlops_provider.store.store import json_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.monitor.windows.segments import Parts, Segments
    from mlops_provider.store.models import Signature
    from mlops_provider.store.store import Store

HOUR = timedelta(hours=1)
SAMPLE_ROWS = 500
_FORM = 1
"""Form of the pieces: another one makes all of them anew."""


class Hour(NamedTuple):
    """The files of one version in one hour of the log: their folder, and each with its size."""

    begins: datetime
    version: str
    folder: str
    files: tuple[tuple[str, int], ...]


class Added(NamedTuple):
    """What pieces add up to, and samples of rows with how many rows each stands for."""

    parts: Parts
    samples: list[tuple[Path, int]]

    @property
    def rows(self) -> int:
        """Number of answered rows."""
        return rows_of(self.parts[WHOLE])


@dataclass(slots=True)
class Pieces:
    """The pieces of a service's log, profiled like a baseline; `leave_out` are damaged files.

    `reading` is told of the files that are about to be read.
    """

    store: Store
    log: str
    kept: str
    version: str
    signature: Signature
    like: Mapping[str, ColumnProfile]
    segments: Segments
    leave_out: set[Path]
    reading: Callable[[list[Path]], None]

    def hours(self, since: datetime, until: datetime, *, others: bool = False) -> Iterator[Hour]:
        """Give the hours that touch a stretch, the oldest first; `others`: of all versions."""
        first, last = hour_name(since), hour_name(until)
        version = None if others else self.version
        found = [(hour, folders) for hour, folders in log_hours(self.store, self.log, version) if first <= hour <= last]
        for hour, folders in reversed(found):
            begins = datetime.strptime(f"{hour} +0000", "day=%Y-%m-%d/hour=%H %z")
            if begins >= until:
                continue
            for folder in sorted(folders):
                files = [
                    (key.rpartition("/")[2], info.size)
                    for key, info in self.store.files.walk(folder)
                    if key.endswith(".parquet")
                ]
                name = folder.removeprefix(f"{self.log}/version=").partition("/")[0]
                yield Hour(begins, name, folder, tuple(sorted(files)))

    def add_up(self, since: datetime, until: datetime, *, others: bool = False) -> Added:
        """Add up a stretch: whole hours from their pieces, the rows at its ends as they are.

        With `others` the features are those that every version got, the predictions those of this version alone.
        """
        many: list[Parts] = []
        samples: list[tuple[Path, int]] = []
        for hour in self.hours(since, until, others=others):
            if since <= hour.begins and hour.begins + HOUR <= until:
                parts, sample = self.piece(hour)
                samples.append((sample, rows_of(parts[WHOLE])))
            else:
                parts = self._profiled(hour, Stretch(since, until))[0]
            many.append(parts if hour.version == self.version else _without_predictions(parts))
        return Added(add_parts(many), [(sample, rows) for sample, rows in samples if rows])

    def piece(self, hour: Hour) -> tuple[Parts, Path]:
        """Give the profiles of a whole hour and the file with its sample; what was never profiled is profiled now."""
        key = self._key(hour)
        folder, _, name = key.rpartition("/")
        sample = f"{name}.rows.parquet"
        if not self.store.files.exists(f"{key}.parquet"):
            self._make(hour, key)
        local = self.store.files.local_folder(folder, [f"{name}.parquet", sample])
        try:
            return unflat(read_profiles(local / f"{name}.parquet")), local / sample
        except DataError:  # cut short by a disk that was full: what is written again is whole
            self._make(hour, key, again=True)
            return unflat(read_profiles(local / f"{name}.parquet")), local / sample

    def _key(self, hour: Hour) -> str:
        lost = {file.name for file in self.leave_out}
        how = {name: [profile.kind, profile.centre.hex()] for name, profile in self.like.items()}
        named = {
            "form": _FORM,
            "files": {name: size for name, size in hour.files if name not in lost},
            "like": how,
            "segments": self.segments.named(),
        }
        return f"{self.kept}/version={hour.version}/{hour.begins:%Y-%m-%dT%H}/{json_digest(named)[:20]}"

    def _make(self, hour: Hour, key: str, *, again: bool = False) -> None:
        """Write a piece, its profiles last: one that was cut short is not there."""
        parts, rows = self._profiled(hour, Stretch(), sampled=True)
        put = self.store.files.write if again else self.store.files.create
        with self.store.scratch() as folder:
            write_profiles(folder / "profiles.parquet", flat(parts))
            put(f"{key}.rows.parquet", rows)
            put(f"{key}.parquet", (folder / "profiles.parquet").read_bytes())

    def _profiled(self, hour: Hour, stretch: Stretch, *, sampled: bool = False) -> tuple[Parts, bytes]:
        """Profile the answered rows of an hour's files; a request that came twice within it counts once."""
        local = self.store.files.local_folder(hour.folder, [name for name, _ in hour.files])
        files = [local / name for name, _ in hour.files if local / name not in self.leave_out]
        if not files:
            return {WHOLE: {}}, b""
        self.reading(files)
        with self.store.scratch() as folder, connect(folder) as connection:
            query = plain_rows(connection, files, self.signature, stretch)
            rows = f"SELECT * FROM ({query}) WHERE status < {FAILED_STATUS}"
            if repeated(connection, query):
                query = rows_query(connection, files, self.signature, stretch)
                rows = f"SELECT * FROM ({query}) WHERE status < {FAILED_STATUS} AND NOT again"
                once = literal(str(folder / "once.parquet"))
                connection.execute(f"COPY ({rows}) TO {once} (FORMAT parquet)")  # it would be joined for each column
                rows = f"SELECT * FROM read_parquet({once})"
            sample = b""
            if sampled:
                file = folder / "sample.parquet"
                drawn = f"{rows} ORDER BY md5_number_lower(concat_ws('/', request_id, row, ts)), ts LIMIT {SAMPLE_ROWS}"
                connection.execute(f"COPY ({drawn}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)")
                sample = file.read_bytes()
            return profile_parts(connection, f"({rows})", self.like, self.segments), sample


def _without_predictions(parts: Parts) -> Parts:
    return {
        segment: {name: profile for name, profile in profiles.items() if name != PREDICTION}
        for segment, profiles in parts.items()
    }
