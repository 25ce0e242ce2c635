"""What a window is compared with, where that is not what the live version was trained on.

A stretch of the log is added up from its pieces, in whole hours. One that is gone, or of which nothing is left, is not
compared: that is said, and is neither an alarm nor a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.files import read_profiles, write_profiles
from mlops_provider.runtime.monitor.windows.pieces import HOUR
from mlops_provider.runtime.monitor.windows.segments import WHOLE, add_parts, flat, profile_parts, rows_of, unflat
from mlops_provider.runtime.predictions import FEATURE_PREFIX
from mlops_provider.runtime.sources import files_of, read_sources, said_sources
from mlops_provider.runtime.sql import columns_of, identifier, literal, require_columns
from mlops_provider.runtime.table import connect
from mlops_provider.store.models import BASELINE_FILE, PREDICTION_COLUMN
from mlops_provider.store.store import json_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mlops_dag_factory.spec.monitoring.baseline import BaselineSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.monitor.windows.segments import Parts, Segments
    from mlops_provider.runtime.monitor.windows.watched import Watched
    from mlops_provider.store.store import Store

SAMPLE_ROWS = 10_000
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Profiles by segment, how many rows they are of, what they are of; `gone` says why there is nothing to compare.

    `sample` is a Parquet file with some of the rows, in the columns of the training data.
    """

    parts: Parts = field(default_factory=lambda: {WHOLE: {}})
    said: str = ""
    gone: str = ""
    sample: bytes = b""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return rows_of(self.parts[WHOLE])


def spans(spec: BaselineSpec, window: Span) -> list[Span]:
    """Give the stretches of the log that a baseline is of, the oldest first, for a window."""
    since, until = window
    if spec.rolling is not None:
        end = _floor(since - spec.gap)
        return [(end - spec.rolling, end)]
    if spec.season is not None:
        first, last = _floor(since), _ceiling(until)
        return [(first - n * spec.season, last - n * spec.season) for n in range(spec.count, 0, -1)]
    return [(_moment(spec.since), _moment(spec.to or ""))]


def said_of(spec: BaselineSpec, among: Iterable[Span]) -> str:
    """Say what stretches are, as they stand in a sentence."""
    listed = list(among)
    if spec.season is not None:
        return f"the same hours of {len(listed)} seasons before, from {_said(listed[0][0])} on"
    [(since, until)] = listed
    return f"{'the log' if spec.rolling is None else 'the rolling baseline'} from {_said(since)} to {_said(until)}"


def read_logged(spec: BaselineSpec, watched: Watched, window: Span, like: Like) -> Baseline:
    """Read a baseline in the log, or in the data that is watched in its place, at another time."""
    found = spans(spec, window)
    said = said_of(spec, found)
    added = [watched.add_up(since, until, like, others=True) for since, until in found]
    parts = add_parts(each.parts for each in added)
    if not rows_of(parts[WHOLE]):
        return Baseline(said=said, gone=f"{said} has no rows")
    empty = sum(not each.rows for each in added)
    if empty:
        said += f" ({empty} of them without rows)"
    samples = [sample for each in added for sample in each.samples]
    return Baseline(parts, said, sample=_sample(samples, like.profiles))


@dataclass(frozen=True, slots=True)
class Like:
    """As what columns are profiled: kinds and centres of other profiles, and the segments."""

    profiles: Mapping[str, ColumnProfile]
    segments: Segments


def read_table(spec: BaselineSpec, context: RunContext, store: Store, kept: str, like: Like) -> Baseline:
    """Read a baseline from files or a query; files that have not changed are profiled once."""
    ingest = spec.ingest()
    said = said_sources(ingest)
    try:
        files = files_of(ingest, context)
        how = {name: [profile.kind, profile.centre.hex()] for name, profile in like.profiles.items()}
        parted = like.segments.named()
        named = {"files": files, "source": ingest.source, "prediction": spec.prediction, "like": how, "parts": parted}
        key = f"{kept}/baseline/{json_digest(named)[:20]}"
        name = key.rpartition("/")[2]
        if spec.sql is not None or not store.files.exists(f"{key}.parquet"):
            _profile_table(spec, context, store, like, key)
        local = store.files.local_folder(f"{kept}/baseline", [f"{name}.parquet", f"{name}.rows.parquet"])
        parts = unflat(read_profiles(local / f"{name}.parquet"))
        sample = (local / f"{name}.rows.parquet").read_bytes()
    except (DataError, FileNotFoundError) as err:
        return Baseline(said=said, gone=f"{said} cannot be read: {getattr(err, 'message', err)}")
    return Baseline(parts, said, sample=sample) if rows_of(parts[WHOLE]) else Baseline(gone=f"{said} has no rows")


def model_parts(store: Store, model: ModelRef, like: Like) -> Parts:
    """Give the profiles of the segments of what a model was trained on, as far as its sample of those rows tells."""
    if not like.segments:
        return {WHOLE: {}}
    file = store.open(model).folder / BASELINE_FILE
    with connect() as connection:
        source = f"read_parquet({literal(str(file))})"
        rows = _as_logged(source, columns_of(connection, f"SELECT * FROM {source}"), PREDICTION_COLUMN)
        return {**profile_parts(connection, f"({rows})", like.profiles, like.segments), WHOLE: {}}


def _profile_table(spec: BaselineSpec, context: RunContext, store: Store, like: Like, key: str) -> None:
    with store.scratch() as folder, connect(folder) as connection:
        query = read_sources(connection, spec.ingest(), context, folder)
        columns = columns_of(connection, query)
        require_columns(
            columns, [spec.prediction] if spec.prediction else [], f"baseline {said_sources(spec.ingest())}"
        )
        whole, sample = folder / "whole.parquet", folder / "sample.parquet"
        numbered = f"SELECT *, row_number() OVER () AS mlops_row FROM ({query})"
        connection.execute(f"COPY ({numbered}) TO {literal(str(whole))} (FORMAT parquet)")
        source = f"read_parquet({literal(str(whole))})"
        rows = _as_logged(source, columns, spec.prediction)
        parts = profile_parts(connection, f"({rows})", like.profiles, like.segments)
        drawn = f"SELECT * FROM {source} ORDER BY md5_number_lower(mlops_row::VARCHAR), mlops_row LIMIT {SAMPLE_ROWS}"
        renamed = f"* EXCLUDE (mlops_row) RENAME ({identifier(spec.prediction)} AS {PREDICTION_COLUMN})"
        names = renamed if spec.prediction else "* EXCLUDE (mlops_row)"
        connection.execute(f"COPY (SELECT {names} FROM ({drawn})) TO {literal(str(sample))} (FORMAT parquet)")
        write_profiles(folder / "profiles.parquet", flat(parts))
        store.files.write(f"{key}.rows.parquet", sample.read_bytes())
        store.files.write(f"{key}.parquet", (folder / "profiles.parquet").read_bytes())


def _as_logged(source: str, columns: Iterable[str], prediction: str) -> str:
    """Give the SQL of rows in the log's columns."""
    names = [
        f"{identifier(name)} AS {'prediction' if name == prediction else identifier(FEATURE_PREFIX + name)}"
        for name in columns
    ]
    return f"SELECT {', '.join(names)} FROM {source}"


def _sample(samples: list[tuple[Path, int]], like: Mapping[str, ColumnProfile]) -> bytes:
    """Draw from the samples of pieces as many rows of each as its share of all rows, in the training data's columns."""
    total = sum(rows for _, rows in samples)
    parts = [
        f"(SELECT * FROM read_parquet({literal(str(file))}) LIMIT {-(-SAMPLE_ROWS * rows // total)})"
        for file, rows in samples
    ]
    if not parts:
        return b""
    query = " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts)
    with connect() as connection:
        present = columns_of(connection, query)
        names = [
            f"{identifier(FEATURE_PREFIX + name)} AS {identifier(name)}"
            for name in like
            if FEATURE_PREFIX + name in present
        ]
        table = connection.sql(f"SELECT {', '.join([*names, f'prediction AS {PREDICTION_COLUMN}'])} FROM ({query})")
        return _parquet(table.to_arrow_table())


def _parquet(table: object) -> bytes:
    import io

    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _ceiling(moment: datetime) -> datetime:
    floor = _floor(moment)
    return floor if floor == moment else floor + HOUR


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
