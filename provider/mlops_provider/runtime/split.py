"""Phase `split`: divide a dataset; the same input gives the same parts, whatever the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.refs import DatasetRef, Ref
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.table import columns_of, connect, identifier, literal, require_columns, scan, write_dataset

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import SplitSpec


def run(config: SplitSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Give every row a position between 0 and 1 and cut there: test first, then validation, the rest trains."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store = context.store()
    outputs: dict[str, Ref] = {}
    with store.scratch() as spill, connect(spill) as connection:
        source = f"SELECT *, row_number() OVER () AS mlops_row FROM {scan(store, data)}"
        columns = columns_of(connection, f"SELECT * FROM {scan(store, data)}")
        wanted = [*config.keys, *([config.stratify] if config.stratify else [])]
        require_columns(columns, wanted, f"dataset {data.digest[:8]}")
        if config.by in {"hash", "group", "time"}:
            _refuse_missing(connection, source, config.keys)
        placed = f"SELECT *, {_position(config, columns)} AS mlops_position FROM ({source})"
        connection.execute(f"CREATE TEMP TABLE placed AS {placed}")
        first, second = config.test, config.test + config.validation
        cuts = {"test": f"mlops_position < {first}", "train": f"mlops_position >= {second}"}
        if config.validation:
            cuts["validation"] = f"mlops_position >= {first} AND mlops_position < {second}"
        few = f"{data.rows} rows are too few to split by {config.by}{_why(config)}"
        for name, condition in cuts.items():
            query = f"SELECT * EXCLUDE (mlops_row, mlops_position) FROM placed WHERE {condition} ORDER BY mlops_row"
            outputs[name] = write_dataset(
                store,
                context.workflow,
                connection,
                query,
                lineage={"data": data.digest, "part": name, "identity": context.identity},
                empty=f"the part '{name}' would be empty: {few}",
            )
    sizes = {name: ref.rows for name, ref in outputs.items() if isinstance(ref, DatasetRef)}
    summary = ", ".join(f"{name} {rows:,}" for name, rows in sizes.items()) + f" rows, by {config.by}."
    return Outcome(outputs=outputs, metrics={f"{name}_rows": rows for name, rows in sizes.items()}, summary=summary)


def _position(config: SplitSpec, columns: dict[str, str]) -> str:
    """Give the SQL of a row's position; rows with equal keys have one position.

    Hashes are MD5: the same on every machine and version.
    """
    if config.by == "order":
        return "1 - (mlops_row - 0.5) / count(*) OVER ()"
    if config.by == "time":
        keys = ", ".join(identifier(key) for key in config.keys)
        return f"1 - (rank() OVER (ORDER BY {keys}) - 0.5) / count(*) OVER ()"
    if config.by in {"hash", "group"}:
        return _uniform([f"{identifier(key)}::VARCHAR" for key in config.keys], config.seed)
    chance = _uniform(["mlops_row::VARCHAR"], config.seed)
    group = f"PARTITION BY {identifier(config.stratify)} " if config.stratify and config.stratify in columns else ""
    return f"(row_number() OVER ({group}ORDER BY {chance}, mlops_row) - 0.5) / count(*) OVER ({group.strip()})"


def _refuse_missing(connection: duckdb.DuckDBPyConnection, source: str, keys: list[str]) -> None:
    """Raise DataError when a row has no key: it belongs to no part."""
    condition = " OR ".join(f"{identifier(key)} IS NULL" for key in keys)
    missing = (connection.execute(f"SELECT count(*) FROM ({source}) WHERE {condition}").fetchone() or (0,))[0]
    if missing:
        raise DataError(
            f"{missing} rows have no place: column {', '.join(keys)} holds missing values",
            hint="drop them with a transform, or split by other keys",
        )


def _why(config: SplitSpec) -> str:
    if config.by in {"hash", "group", "time"}:
        return f", since rows with the same {', '.join(config.keys)} stay together"
    return f", since each value of {config.stratify} is divided for itself" if config.stratify else ""


def _uniform(parts: list[str], seed: int) -> str:
    """Give the SQL of a number between 0 and 1 that depends on values and seed only."""
    text = " || '\x1f' || ".join([literal(str(seed)), *parts])
    return f"(('0x' || substr(md5({text}), 1, 12))::BIGINT / 281474976710656.0)"
