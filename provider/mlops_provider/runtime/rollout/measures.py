"""What a release measures: each version's answers in one stretch of the prediction log, in the same window for both."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from mlops_provider.runtime.labels import arrived_labels, truth_type
from mlops_provider.runtime.one_number import one_number
from mlops_provider.runtime.predictions import Stretch, is_sound, log_files, signature_of
from mlops_provider.runtime.rollout.distances import agreement, drift
from mlops_provider.runtime.sql import columns_of, identifier, literal
from mlops_provider.runtime.table import connect, seal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.models import Signature
    from mlops_provider.store.services import ServedVersion

CANDIDATE, LIVE = "candidate", "live"
_PLAIN = (
    "request_id",
    "row",
    "ts",
    "version",
    "role",
    "prediction",
    "probability",
    "latency_ms",
    "status",
    "entity_id",
)
_TYPES = {"probability": "DOUBLE"}
_FAILED = 500
_REQUEST = "(request_id, ts)"
"""What is one request: clients may use an id again."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures of both versions; what could not be measured is missing, and `open` says why."""

    candidate: dict[str, float] = field(default_factory=dict)
    live: dict[str, float] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)


def measure(
    config: ReleaseSpec, context: RunContext, candidate: ServedVersion, live: ServedVersion | None, since: datetime
) -> Measured:
    """Measure both versions on what they were asked since a moment; damaged files of the log are left out.

    DataError when the SQL of a measure of one's own fails or gives no single number.
    """
    import duckdb

    key = f"{context.workflow}/predictions/{config.environment}"
    files, _ = log_files(context.store(), key, None, Stretch(since))
    while files:
        try:
            return _measured(config, context, {CANDIDATE: candidate, LIVE: live}, since, files)
        except duckdb.Error:
            damaged = [file for file in files if not is_sound(file)]
            if not damaged:
                raise
            files = [file for file in files if file not in damaged]
    return Measured()


def _measured(
    config: ReleaseSpec,
    context: RunContext,
    versions: Mapping[str, ServedVersion | None],
    since: datetime,
    files: list[Path],
) -> Measured:
    signature = signature_of(context.store(), cast("ServedVersion", versions[CANDIDATE]))
    found, shadow = Measured(), config.strategy == "shadow"
    with connect() as connection:
        listed = ", ".join(literal(str(file)) for file in files)
        source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        columns = _columns(config, columns_of(connection, f"SELECT * FROM {source}"))
        for name, version in versions.items():
            role = "= 'shadow'" if shadow and name == CANDIDATE else "NOT IN ('shadow', 'fallback')"
            connection.execute(
                f"CREATE TEMP TABLE {name} AS SELECT {columns} FROM {source} "
                f"WHERE version = {literal(version.version if version else '')} AND role {role} "
                f"AND ts >= TIMESTAMPTZ {literal(since.isoformat())}"
            )
        _labels(connection, config, context, signature)
        seal(connection)
        for name, values in ((CANDIDATE, found.candidate), (LIVE, found.live)):
            values.update(_service(connection, name))
            values.update(_own(connection, config, name, found))
        numeric = signature.task not in {"classification", "multilabel"}
        _put(found, "prediction_drift", drift(connection, numeric=numeric), "one of the versions has no predictions")
        if shadow:
            tolerance = config.tolerance if numeric else None
            for name, value in agreement(connection, tolerance=tolerance).items():
                _put(found, name, value, "the shadow has not been compared yet")
    return found


def _columns(config: ReleaseSpec, present: dict[str, str]) -> str:
    plain = [
        identifier(name) if name in present else f"NULL::{_TYPES.get(name, 'VARCHAR')} AS {name}" for name in _PLAIN
    ]
    features = [identifier(name) for name in present if name.startswith("x_")] if config.metrics else []
    return ", ".join([*plain, *features])


def _service(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, float]:
    """Give number of requests, share of those that the version failed, and the latency of the others."""
    quantiles = ", ".join(
        f"quantile_cont(latency_ms, {share}) FILTER (WHERE row = 0 AND status < {_FAILED})"
        for share in (0.5, 0.95, 0.99)
    )
    row = connection.execute(
        f"SELECT count(DISTINCT {_REQUEST}), count(*), "
        f"count(DISTINCT {_REQUEST}) FILTER (WHERE status >= {_FAILED}), {quantiles} FROM {table}"
    ).fetchone()
    requests, rows, failed, *latencies = row or (0, 0, 0, None, None, None)
    found = {"requests": requests, "rows": rows, "error_rate": failed / requests if requests else None}
    found |= dict(zip(("latency_p50_ms", "latency_p95_ms", "latency_p99_ms"), latencies, strict=True))
    return {name: float(value) for name, value in found.items() if value is not None}


def _labels(
    connection: duckdb.DuckDBPyConnection, config: ReleaseSpec, context: RunContext, signature: Signature
) -> None:
    truth = ""
    if config.labels and config.metrics:
        truth, _ = arrived_labels(
            connection,
            config.labels,
            signature=signature,
            locate=context.locate,
            predictions=f"SELECT * FROM {CANDIDATE} UNION ALL BY NAME SELECT * FROM {LIVE}",
        )
    nothing = f"SELECT NULL::VARCHAR AS label_key, 0 AS label_row, NULL::{truth_type(signature)} AS truth"
    query = truth or f"{nothing} WHERE false"
    connection.execute(f"CREATE TEMP TABLE mlops_labels AS {query}")


def _own(connection: duckdb.DuckDBPyConnection, config: ReleaseSpec, table: str, found: Measured) -> dict[str, float]:
    """Give the measures of the workflow's own SQL over the rows of one version."""
    values: dict[str, float] = {}
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW predictions AS SELECT p.*, l.truth FROM {table} p "
        "LEFT JOIN mlops_labels l ON p.request_id = l.label_key AND p.row = l.label_row "
        f"WHERE p.status < {_FAILED}"
    )
    for name, sql in config.metrics.items():
        value = one_number(connection, sql, f"metric '{name}'")
        if value is None:
            if table == CANDIDATE:
                found.open[name] = f"'{name}' has no value yet"
            continue
        values[name] = value
    return values


def _put(found: Measured, name: str, value: float | None, why: str) -> None:
    if value is None or not math.isfinite(value):
        found.open[name] = why
    else:
        found.candidate[name] = value
