"""Phase `predict`: batch scoring in partitions, each scored exactly once, out of core."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError, MlopsError
from mlops_provider.refs import DatasetRef, ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.batch.destination import Destination
from mlops_provider.runtime.batch.partitions import Partition, by_column, by_rows
from mlops_provider.runtime.batch.receipts import Receipts
from mlops_provider.runtime.batch.scorer import Scorer
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.sql import columns_of, identifier
from mlops_provider.runtime.table import connect, publish_table, scan, write_view
from mlops_provider.runtime.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

    from mlops_dag_factory.spec.predict import PredictSpec
    from mlops_provider.store.store import Store

BATCH_ROWS = 50_000
"""Rows that are in memory at once; a file has row groups of as many."""
_SHOWN = 5
_LOG = logging.getLogger(__name__)


def run(config: PredictSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Score what no earlier run has scored; DataError names partitions that could not be, after all others were."""
    store = context.store()
    data: DatasetRef = one(inputs, "data", DatasetRef)
    model = _model(config, inputs, context)
    if data.rows == 0:
        raise DataError("the data has no rows to predict for")
    scorer = Scorer.load(store, model, config)
    written = {"model": model.digest, "version": model.version, "columns": scorer.columns, "keep": scorer.keep}
    receipts = Receipts.of(
        store, context.workflow, code=version("airflow-provider-mlops"), given=scorer.given, **written
    )
    with store.scratch() as spill, connect(spill) as connection:
        _require(connection, scorer, f"{scan(store, data)}")
        source = f"(SELECT {', '.join(map(identifier, scorer.columns))} FROM {scan(store, data)})"
        if config.partitions.column:
            partitions = by_column(connection, config.partitions.column, scorer.columns, source)
        else:
            partitions = by_rows(data, config.partitions.rows or data.rows, source)
        destination = _destination(
            config, context, {"work": receipts.work, "partitions": [p.digest for p in partitions]}
        )
        job = _Job(connection, scorer, receipts, destination, context)
        found, failed, scored = job.run(partitions)
        if failed:
            _refuse(failed, len(partitions))
        if destination:
            destination.finish()
        refs = [found[partition.label] for partition in partitions]
        columns = {column["name"]: column["type"] for column in store.open(refs[0]).meta["columns"]}
        lineage = {"data": data.digest, "model": model.digest, "identity": context.identity}
        made = write_view(store, context.workflow, View(of=tuple(refs)), data.rows, columns, lineage)
        said = _answers(connection, scorer, f"{scan(store, made)}")
    reused = len(partitions) - scored
    numbers = {"rows": made.rows, "partitions": len(partitions), "scored": scored, "reused": reused}
    which = f"version {model.version}" if model.version else f"model {model.digest[:12]}"
    kept = f", {reused:,} of them by an earlier run" if reused else ""
    summary = f"{made.rows:,} rows scored by {which} in {len(partitions):,} partitions{kept}.\n\n{said}"
    if destination:
        summary += f"\nWritten to `{destination.url}`.\n"
    details = {"partitions": {name: ref.uri for name, ref in sorted(found.items())}, "model": model.to_dict()}
    return Outcome(
        outputs={"data": made},
        metrics={name: float(value) for name, value in numbers.items()},
        summary=summary,
        details=details,
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """What scores partitions, one after another."""

    connection: duckdb.DuckDBPyConnection
    scorer: Scorer
    receipts: Receipts
    destination: Destination | None
    context: RunContext

    def run(self, partitions: list[Partition]) -> tuple[dict[str, DatasetRef], dict[str, str], int]:
        """Give the scored partitions by label, why others failed, and how many were scored just now."""
        found: dict[str, DatasetRef] = {}
        failed: dict[str, str] = {}
        scored = 0
        for partition in partitions:
            ref = self.receipts.find(partition)
            if ref is None:
                try:
                    ref = self._score(partition)
                except MlopsError as err:
                    if err.retryable:
                        raise
                    failed[partition.label] = err.message
                    continue
                scored += 1
                _LOG.info("%s: %s rows scored", partition.label, f"{partition.rows:,}")
            if self.destination:
                self.destination.put(partition, self.context.store().open(ref).files(".parquet")[0])
            found[partition.label] = ref
        return found, failed, scored

    def _score(self, partition: Partition) -> DatasetRef:
        import pyarrow.parquet as pq

        store: Store = self.receipts.store
        with store.scratch() as folder:
            first, writer, file = 0, None, folder / "part-00000.parquet"
            try:
                for rows in _batches(self.connection, partition.query):
                    table = self.scorer.score(rows, partition=partition.digest[:20], first=first)
                    writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
                    writer.write_table(table, row_group_size=BATCH_ROWS)
                    first += table.num_rows
            finally:
                if writer:
                    writer.close()
            if first != partition.rows:
                raise DataError(f"{first:,} rows were read where {partition.rows:,} were counted")
            lineage = {"model": self.scorer.served.version.model.digest, "partition": partition.label}
            ref = publish_table(store, self.context.workflow, self.connection, folder, first, lineage)
        return self.receipts.write(partition, ref)


def _batches(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.Table]:
    """Give the rows in tables of exactly BATCH_ROWS but for the last: the same rows give the same file."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    count = 0
    for batch in connection.sql(query).to_arrow_reader(BATCH_ROWS):
        held.append(batch)
        count += batch.num_rows
        while count >= BATCH_ROWS:
            table = pa.Table.from_batches(held)
            yield table.slice(0, BATCH_ROWS)
            held = table.slice(BATCH_ROWS).to_batches()
            count -= BATCH_ROWS
    if count:
        yield pa.Table.from_batches(held)


def _model(config: PredictSpec, inputs: Inputs, context: RunContext) -> ModelRef:
    if config.champion is None:
        return one(inputs, "model", ModelRef)  # type: ignore[no-any-return]
    found = tracking.champion(context.store(), context.tracking_uri, config.champion)
    if found is None:
        raise ConfigError(f"the model '{config.champion}' has no champion yet", hint="release a version of it first")
    return found


def _destination(config: PredictSpec, context: RunContext, owner: dict[str, Any]) -> Destination | None:
    if config.destination is None:
        return None
    return Destination.claim(context.locate(config.destination), context.store(), owner)


def _require(connection: duckdb.DuckDBPyConnection, scorer: Scorer, source: str) -> None:
    """Raise DataError for columns that the model or the phase needs and that are not there, or of another type."""
    columns = columns_of(connection, f"SELECT * FROM {source}")
    names = [name for name in scorer.signature.names() if name in columns]
    counts = ", ".join(f"count({identifier(name)})" for name in names) or "0"
    row = connection.execute(f"SELECT {counts} FROM {source}").fetchall()[0]
    scorer.require(columns, {name: count == 0 for name, count in zip(names, row, strict=False)})


def _refuse(failed: dict[str, str], count: int) -> None:
    shown = "; ".join(f"{label}: {why}" for label, why in list(failed.items())[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    raise DataError(
        f"{len(failed)} of {count} partitions cannot be scored: {shown}{more}",
        hint="the others are kept and will not be scored again: mend these rows, or leave them out, and run once more",
    )


def _answers(connection: duckdb.DuckDBPyConnection, scorer: Scorer, source: str) -> str:
    """Say in Markdown what was predicted: how often each class, or the spread of the numbers."""
    signature = scorer.signature
    if signature.labels:
        parts = ", ".join(f"avg({identifier(f'prediction_{label}')})" for label in signature.labels)
        shares = connection.execute(f"SELECT {parts} FROM {source}").fetchall()[0]
        lines = [(label, f"{share:.1%}") for label, share in zip(signature.labels, shares, strict=True)]
    elif signature.classes:
        rows = connection.execute(
            f"SELECT prediction::VARCHAR, count(*) AS n FROM {source} GROUP BY 1 ORDER BY n DESC, 1 LIMIT 20"
        ).fetchall()
        lines = [(str(name), f"{number:,}") for name, number in rows]
    else:
        spread = "min(prediction), median(prediction), max(prediction)"
        row = connection.execute(f"SELECT {spread} FROM {source}").fetchall()[0]
        lines = [(name, f"{value:.6g}") for name, value in zip(("least", "median", "most"), row, strict=True)]
    table = "".join(f"| {name} | {value} |\n" for name, value in lines)
    return f"| prediction | |\n|---|---|\n{table}"
