"""What is new since the last ingest: above a watermark, or in files that were not read before.

What was read is one small document per phase, changed by compare-and-set: of two runs at once one reads, the other
tries again and finds what the first left. A run that was killed after it changed the document finds its own name in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.refs import DatasetRef, ref_from_dict
from mlops_provider.runtime.contract import Outcome
from mlops_provider.runtime.sources import deduplicated, files_of, read_sources, said_sources
from mlops_provider.runtime.sql import columns_of, identifier, literal
from mlops_provider.runtime.table import scan, write_dataset, write_view
from mlops_provider.runtime.view import ROW, View
from mlops_provider.store.documents import Document, read_document, write_document

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from mlops_dag_factory.spec.ingest import IngestSpec
    from mlops_provider.runtime.contract import RunContext

MOST_PIECES = 100
"""After so many increments the pieces are written as one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What an ingest has read: the last watermark as text with its DuckDB type, the files, the pieces, the whole."""

    document: Document

    @classmethod
    def read(cls, context: RunContext) -> Progress:
        """Read the progress of a phase."""
        return cls(read_document(context.store(), f"{context.workflow}/ingest/{context.phase}"))

    @property
    def files(self) -> dict[str, str]:
        """The files that were read, with their fingerprints."""
        return dict(self.document.data.get("files", {}))

    @property
    def pieces(self) -> tuple[DatasetRef, ...]:
        """The datasets that make up the whole."""
        return tuple(_dataset(ref) for ref in self.document.data.get("pieces", ()))

    @property
    def whole(self) -> DatasetRef:
        """Everything that was read."""
        return _dataset(self.document.data["data"])

    def new_files(self, config: IngestSpec, context: RunContext) -> dict[str, str]:
        """Give the files that are new or have changed."""
        known = self.files
        return {file: mark for file, mark in files_of(config, context).items() if known.get(file) != mark}

    def condition(self, config: IngestSpec) -> str:
        """Give the SQL of 'is new': above the watermark, less the time in which late rows may come."""
        last = self.document.data.get("watermark")
        if config.incremental is None or config.incremental.watermark is None or last is None:
            return ""
        value = f"{literal(last['value'])}::{last['type']}"
        if late := config.incremental.late.total_seconds():
            value = (
                f"{value} - INTERVAL {late} SECOND"
                if last["type"].startswith(("TIME", "DATE"))
                else f"{value} - {late}"
            )
        return f"{identifier(config.incremental.watermark)} > {value}"


def read_increment(
    connection: duckdb.DuckDBPyConnection, config: IngestSpec, context: RunContext, spill: Path
) -> Outcome:
    """Publish the new rows, and the whole with them."""
    progress = Progress.read(context)
    if progress.document.data.get("identity") == context.identity:
        return _outcome(progress.document.data, "read by an earlier try of this run")
    by_files = config.incremental is not None and config.incremental.files
    files = progress.new_files(config, context) if by_files else {}
    if by_files and not files:
        if not progress.pieces:
            raise DataError(f"{said_sources(config)} gave no data at all")
        nothing = f"SELECT * FROM {scan(context.store(), progress.whole)} LIMIT 0"
        new = write_dataset(context.store(), context.workflow, connection, nothing, lineage={})
        return _finish(config, context, progress, progress.document.data, new)
    query = read_sources(
        connection, config, context, spill, since=progress.condition(config), files=files if by_files else None
    )
    lineage = {"sources": said_sources(config), "identity": context.identity, "files": sorted(files)}
    empty = "" if progress.pieces else f"source {said_sources(config)} has no rows"
    if config.deduplicate:
        query = deduplicated(query, config)
        if progress.pieces:
            query = _unknown(connection, query, scan(context.store(), progress.whole))
    new = write_dataset(context.store(), context.workflow, connection, query, lineage=lineage, empty=empty)
    state = {**progress.document.data, "files": progress.files | files}
    if new.rows and config.incremental and config.incremental.watermark:
        state["watermark"] = _highest(connection, context, new, config.incremental.watermark) or state.get("watermark")
    if new.rows:
        pieces = _pieces(connection, config, context, (*progress.pieces, new))
        state |= {"pieces": [piece.to_dict() for piece in pieces]}
        state["data"] = _whole(connection, context, pieces, lineage).to_dict()
    return _finish(config, context, progress, state, new)


def _unknown(connection: duckdb.DuckDBPyConnection, query: str, whole: str) -> str:
    """Give the SQL of the rows that the whole does not have as they are, in their order."""
    known = columns_of(connection, f"SELECT * FROM {whole}")
    shared = [identifier(name) for name in columns_of(connection, query) if name in known]
    equal = " AND ".join(f"fresh.{name} IS NOT DISTINCT FROM known.{name}" for name in shared)
    fresh = f"SELECT *, row_number() OVER () AS {ROW} FROM ({query})"
    rows = f"SELECT fresh.* FROM ({fresh}) AS fresh ANTI JOIN {whole} AS known ON {equal}"
    return f"SELECT * EXCLUDE ({ROW}) FROM ({rows}) ORDER BY {ROW}"


def _pieces(
    connection: duckdb.DuckDBPyConnection, config: IngestSpec, context: RunContext, pieces: tuple[DatasetRef, ...]
) -> tuple[DatasetRef, ...]:
    """Give the pieces of the whole: one where known rows have to make place for newer ones, or where they are many."""
    if len(pieces) == 1 or (len(pieces) <= MOST_PIECES and not config.deduplicate):
        return pieces
    store = context.store()
    query = " UNION ALL BY NAME ".join(f"SELECT * FROM {scan(store, piece)}" for piece in pieces)
    query = deduplicated(query, config) if config.deduplicate else query
    lineage = {"data": [piece.digest for piece in pieces], "identity": context.identity}
    return (write_dataset(store, context.workflow, connection, query, lineage=lineage),)


def _whole(
    connection: duckdb.DuckDBPyConnection, context: RunContext, pieces: tuple[DatasetRef, ...], lineage: dict[str, Any]
) -> DatasetRef:
    if len(pieces) == 1:
        return pieces[0]
    store = context.store()
    joined = " UNION ALL BY NAME ".join(f"SELECT * FROM {scan(store, piece)}" for piece in pieces)
    rows = sum(piece.rows for piece in pieces)
    columns = columns_of(connection, joined)
    return write_view(store, context.workflow, View(pieces), rows, columns, lineage)


def _highest(
    connection: duckdb.DuckDBPyConnection, context: RunContext, new: DatasetRef, column: str
) -> dict[str, str] | None:
    source, name = scan(context.store(), new), identifier(column)
    kind = columns_of(connection, f"SELECT * FROM {source}")[column]
    found = connection.execute(f"SELECT max({name})::VARCHAR FROM {source}").fetchone()
    return {"value": found[0], "type": kind} if found and found[0] is not None else None


def _finish(
    config: IngestSpec, context: RunContext, progress: Progress, state: dict[str, Any], new: DatasetRef
) -> Outcome:
    """Note what was read, then give it; without anything new the whole stays as it was."""
    state = {**state, "identity": context.identity, "new": new.to_dict()}
    write_document(context.store(), progress.document.key, state, after=progress.document.revision)
    return _outcome(state, f"from `{said_sources(config)}`")


def _outcome(state: dict[str, Any], how: str) -> Outcome:
    data, new = _dataset(state["data"]), _dataset(state["new"])
    last = state.get("watermark")
    summary = f"{new.rows:,} new rows, {data.rows:,} in all, {how}." + (f" Watermark: {last['value']}." if last else "")
    metrics = {"rows": float(data.rows), "new_rows": float(new.rows)}
    return Outcome(outputs={"data": data, "new": new}, metrics=metrics, summary=summary)


def _dataset(value: dict[str, Any]) -> DatasetRef:
    ref = ref_from_dict(value)
    assert isinstance(ref, DatasetRef)
    return ref
