"""Rows of a dataset or a query, watched as if a service had logged them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.kinds import kind_of, prediction_kind
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.ingest import explained
from mlops_provider.runtime.labels import SQL_TYPES
from mlops_provider.runtime.monitor.windows.pieces import Added
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION, model_profiles
from mlops_provider.runtime.monitor.windows.segments import profile_parts
from mlops_provider.runtime.predictions import FEATURE_PREFIX, Stretch, signature_of
from mlops_provider.runtime.sources import read_sources, said_sources
from mlops_provider.runtime.sql import FLOATS, INTEGERS, columns_of, identifier, literal, require_columns
from mlops_provider.runtime.table import connect
from mlops_provider.store.models import Feature, Signature
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_dag_factory.spec.monitoring.data import MonitoredDataSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.monitor.windows.baseline import Like
    from mlops_provider.store.models import FeatureType
    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

_MOST_CLASSES = 1000


@dataclass(slots=True)
class TableRows:
    """The rows of a dataset or a query, read once into a file.

    What is a feature, and what is predicted, the live version says if there is one that knows the columns; otherwise
    every column that has no other role is a feature.
    """

    said: str
    file: Path
    signature: Signature
    store: Store
    model: ModelRef | None
    undated: int = 0
    unreadable: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, config: MonitorSpec, data: MonitoredDataSpec, context: RunContext, folder: Path) -> Self:
        """Read all rows; DataError names columns that are missing."""
        ingest = data.ingest()
        said, file = said_sources(ingest), folder / "watched.parquet"
        with connect(folder) as connection, explained(said):
            query = read_sources(connection, ingest, context, folder)
            columns = columns_of(connection, query)
            roles = [name for name in (data.timestamp, data.prediction, data.target, data.probability) if name]
            require_columns(columns, roles, f"source {said}")
            connection.execute(f"CREATE TEMP TABLE mlops_watched AS SELECT * FROM ({query})")
            served = _served(config, context, columns)
            signature = signature_of(context.store(), served) if served else _signature(connection, data, columns)
            logged = _as_logged(data, signature, columns)
            counted = connection.execute(
                f"COPY (SELECT * FROM ({logged}) WHERE ts IS NOT NULL) TO {literal(str(file))} "
                "(FORMAT parquet, COMPRESSION zstd)"
            ).fetchone()
            every = connection.execute("SELECT count(*) FROM mlops_watched").fetchone()
        undated = int((every or (0,))[0]) - int((counted or (0,))[0])
        return cls(said, file, signature, context.store(), served.model if served else None, undated)

    def __str__(self) -> str:
        """Say whose rows they are."""
        return self.said

    def lineage(self) -> dict[str, str]:
        """Say where the rows come from, for the record."""
        return {"sources": self.said}

    def like(self) -> dict[str, ColumnProfile]:
        """Give the profiles of the live version's training rows, without one those of all rows."""
        if self.model is not None:
            return model_profiles(self.store, self.model, self.signature)
        with connect() as connection:
            source = f"read_parquet({literal(str(self.file))})"
            kinds = {FEATURE_PREFIX + feature.name: kind_of(feature, 0) for feature in self.signature.features}
            answers = connection.execute(f"SELECT count(prediction) FROM {source}").fetchone()
            if (kind := prediction_kind(self.signature)) and answers and answers[0]:
                kinds["prediction"] = kind
            found = profile_columns(connection, source, kinds)
        return {
            PREDICTION if name == "prediction" else name.removeprefix(FEATURE_PREFIX): profile
            for name, profile in found.items()
        }

    def rows(self, connection: duckdb.DuckDBPyConnection, stretch: Stretch) -> str:  # noqa: ARG002 (the log needs it)
        """Give the SQL of a stretch."""
        query = f"SELECT * FROM read_parquet({literal(str(self.file))}) WHERE {stretch.condition()}"
        return query if stretch.rows is None else f"SELECT * FROM ({query} ORDER BY ts DESC LIMIT {stretch.rows})"

    def add_up(self, since: datetime, until: datetime, like: Like, *, others: bool = False) -> Added:  # noqa: ARG002
        """Profile a stretch."""
        with connect() as connection:
            rows = self.rows(connection, Stretch(since, until))
            return Added(profile_parts(connection, f"({rows})", like.profiles, like.segments), [])

    def ahead(self) -> int:
        """Say none: a dataset may hold what is planned."""
        return 0

    def leave_out_damaged(self) -> bool:
        """Say no: what cannot be read was an error before."""
        return False


def _served(config: MonitorSpec, context: RunContext, columns: Mapping[str, str]) -> ServedVersion | None:
    """Give the live version where it knows some of the columns."""
    served = read_service(context.store(), context.workflow, config.environment).primary
    if served is None or not set(signature_of(context.store(), served).names()) & set(columns):
        return None
    return served


def _signature(connection: duckdb.DuckDBPyConnection, data: MonitoredDataSpec, columns: Mapping[str, str]) -> Signature:
    roles = {data.timestamp, data.prediction, data.target, data.probability}
    features = tuple(Feature(name, _type(kind)) for name, kind in columns.items() if name not in roles)
    if not features:
        raise DataError(
            f"{said_sources(data.ingest())} has no column to watch beside {', '.join(sorted(roles - {''}))}"
        )
    answer = data.target or data.prediction
    kind: FeatureType = _type(columns[answer]) if answer else "float"
    task = data.task or ("regression" if kind == "float" else "classification")
    classes = _classes(connection, answer) if task == "classification" and answer else ()
    return Signature(task=task, features=features, target=answer, target_type=kind, classes=classes)


def _classes(connection: duckdb.DuckDBPyConnection, column: str) -> tuple[Any, ...]:
    name = identifier(column)
    query = f"SELECT DISTINCT {name} FROM mlops_watched WHERE {name} IS NOT NULL ORDER BY 1 LIMIT {_MOST_CLASSES}"
    return tuple(row[0] for row in connection.execute(query).fetchall())


def _type(kind: str) -> FeatureType:
    if kind in INTEGERS:
        return "integer"
    if kind in FLOATS:
        return "float"
    if kind == "BOOLEAN":
        return "boolean"
    return "timestamp" if kind.startswith(("TIMESTAMP", "DATE")) else "string"


def _as_logged(data: MonitoredDataSpec, signature: Signature, columns: Mapping[str, str]) -> str:
    """Give the SQL of the rows in the log's columns; numbers are doubles there."""
    answer = SQL_TYPES[signature.target_type]

    def cast(column: str, kind: str, name: str) -> str:
        return f"TRY_CAST({identifier(column) if column else 'NULL'} AS {kind}) AS {name}"

    features = [
        f"{identifier(name)}{'::DOUBLE' if columns[name] in INTEGERS | FLOATS else ''} "
        f"AS {identifier(FEATURE_PREFIX + name)}"
        for name in signature.names()
        if name in columns
    ]
    parts = [
        "'row-' || row_number() OVER () AS request_id",
        "0 AS row",
        cast(data.timestamp, "TIMESTAMPTZ", "ts"),
        "'' AS version",
        "NULL::DOUBLE AS latency_ms",
        "200 AS status",
        "NULL::VARCHAR AS entity_id",
        cast(data.probability, "DOUBLE", "probability"),
        cast(data.prediction, answer, "prediction"),
        *features,
        "false AS again",
        cast(data.target, answer, "truth"),
    ]
    return f"SELECT {', '.join(parts)} FROM mlops_watched"
