"""Phase `label`: people label rows in Label Studio; what they agree on becomes a column."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from mlops_provider.exceptions import ConfigError, ConflictError, LabelServerError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.label_studio import KEY, PAGE, LabelStudio
from mlops_provider.runtime.sql import columns_of, identifier, require_columns
from mlops_provider.runtime.table import connect, scan, write_dataset
from mlops_provider.store.documents import read_document, write_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from mlops_dag_factory.spec.label import LabelSpec

_OBJECTS = {
    "text": '<Text name="row" value="$row"/>',
    "image": '<Image name="row" value="$row"/>',
    "table": '<Table name="row" value="$row"/>',
}


def run(config: LabelSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Collect the labels of the rows and publish the rows that have one; fails where too few are labelled (yet)."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store, server = context.store(), server_of(config, context)
    project = _project(config, context, server)
    with store.scratch() as spill, connect(spill) as connection:
        rows = _keyed(connection, config, scan(store, data))
        votes = _votes(connection, rows, server, project)
        labels, disagreed = _decided(config, votes)
        import pyarrow as pa

        found = {"key": list(labels), "label": list(labels.values())}
        connection.register("labels", pa.table(found, schema=pa.schema([("key", pa.string()), ("label", pa.string())])))
        kept = f"SELECT rows.* EXCLUDE ({KEY}), labels.label AS {identifier(config.output)}"
        query = f"{kept} FROM ({rows}) AS rows JOIN labels ON labels.key = rows.{KEY}"
        lineage = {"data": data.digest, "project": project, "identity": context.identity}
        empty = "no row has a label that people agree on"
        made = write_dataset(store, context.workflow, connection, query, lineage=lineage, empty=empty)
    wanted = _minimum(config, data.rows)
    if made.rows + disagreed < wanted:
        raise LabelServerError(f"{made.rows + disagreed} of {wanted} rows are labelled: were labels deleted?")
    counts = Counter(labels.values())
    shares = ", ".join(f"{label} {count:,}" for label, count in counts.most_common())
    summary = (
        f"{made.rows:,} of {data.rows:,} rows labelled ({shares}), {disagreed:,} without agreement; project {project}."
    )
    metrics = {
        "rows": float(made.rows),
        "disagreed": float(disagreed),
        "annotations": float(sum(map(len, votes.values()))),
    }
    return Outcome(
        outputs={"data": made}, metrics=metrics, summary=summary, details={"project": project, "url": server.url}
    )


def push(config: LabelSpec, inputs: Inputs, context: RunContext) -> int:
    """Make sure that the project and a task for every row are there; a second call adds nothing. Give its number."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store, server = context.store(), server_of(config, context)
    with store.scratch() as spill, connect(spill) as connection:
        source = scan(store, data)
        columns = columns_of(connection, f"SELECT * FROM {source}")
        wanted = [config.column, config.suggestion, *config.keys]
        require_columns(columns, [name for name in wanted if name], f"dataset {data.digest[:8]}")
        project = _project(config, context, server)
        known = server.keys(project)
        for batch in _tasks(connection, config, source, known):
            server.add_tasks(project, batch)
    return project


def is_enough(config: LabelSpec, inputs: Inputs, context: RunContext) -> tuple[bool, str]:
    """Say whether enough rows are labelled, and in a sentence how many.

    The server counts the tasks of all runs, which is quick: only where those are enough, the rows are looked at.
    """
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store, server = context.store(), server_of(config, context)
    project = _project(config, context, server)
    finished, total = server.progress(project)
    wanted = _minimum(config, data.rows)
    if finished < wanted:
        return False, f"{finished:,} of {total:,} tasks are labelled, {wanted:,} are waited for"
    with store.scratch() as spill, connect(spill) as connection:
        votes = _votes(connection, _keyed(connection, config, scan(store, data)), server, project)
    labels, disagreed = _decided(config, votes)
    done = len(labels) + disagreed
    return done >= wanted, f"{done:,} of {data.rows:,} rows are labelled, {wanted:,} are waited for"


def server_of(config: LabelSpec, context: RunContext) -> LabelStudio:
    """Open the server behind the connection."""
    address = context.connections.get(config.conn_id)
    if address is None:
        hint = "add it to Airflow's connections, with type Label Studio"
        raise ConfigError(f"there is no connection '{config.conn_id}' here", hint=hint)
    return LabelStudio.at(address)


def interface(config: LabelSpec) -> str:
    """Give the labeling interface: the configured one, or one choice among the labels for a row."""
    if config.interface:
        return config.interface
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in config.labels)
    choice = f'<Choices name="label" toName="row" choice="single" showInline="true">{choices}</Choices>'
    return f"<View>{_OBJECTS[config.template]}{choice}</View>"


def _votes(connection: duckdb.DuckDBPyConnection, rows: str, server: LabelStudio, project: int) -> dict[str, list[str]]:
    """Give what people chose for the rows of this run; the project has those of earlier runs too."""
    keys = {key for (key,) in connection.execute(f"SELECT {KEY} FROM ({rows})").fetchall()}
    return {key: choices for key, choices in server.annotations(project) if key in keys}


def _minimum(config: LabelSpec, rows: int) -> int:
    return rows if config.minimum is None else min(config.minimum, rows)


def _project(config: LabelSpec, context: RunContext, server: LabelStudio) -> int:
    """Give the project of this phase, which is the same in every run; made where it is not there (any more)."""
    store, key = context.store(), f"{context.workflow}/labels/{context.phase}"
    document = read_document(store, key)
    known = document.data.get("project")
    if known is not None and document.data.get("server") == server.url and server.project_exists(known):
        return int(known)
    title = config.project or f"{context.workflow}: {context.phase}"
    made = server.create_project(title, f"Rows of {context.workflow}", interface(config), config.overlap)
    try:
        write_document(store, key, {"project": made, "server": server.url}, after=document.revision)
    except ConflictError:
        return int(read_document(store, key).data["project"])  # another try was faster: its project counts
    return made


def _keyed(connection: duckdb.DuckDBPyConnection, config: LabelSpec, source: str) -> str:
    """Give the SQL of the rows with their key: a digest of the columns in `keys`, or of the whole row."""
    columns = config.keys or list(columns_of(connection, f"SELECT * FROM {source}"))
    parts = ", ".join(f"coalesce({identifier(name)}::VARCHAR, '')" for name in columns)
    return f"SELECT *, md5(concat_ws('\x1f', {parts})) AS {KEY} FROM {source}"


def _tasks(
    connection: duckdb.DuckDBPyConnection, config: LabelSpec, source: str, known: set[str]
) -> Iterator[list[dict[str, Any]]]:
    """Give the tasks of the rows that have none, in pages."""
    rows = connection.execute(_keyed(connection, config, source))
    names = [column[0] for column in rows.description or []]
    while values := rows.fetchmany(PAGE):
        batch = []
        for row in (dict(zip(names, each, strict=True)) for each in values):
            key = row.pop(KEY)
            if key in known:
                continue
            known.add(key)
            shown = row if config.template == "table" else row[config.column]
            task: dict[str, Any] = {"data": {"row": _plain(shown), KEY: key}}
            if config.suggestion and row[config.suggestion] is not None:
                choice = {"from_name": "label", "to_name": "row", "type": "choices"}
                result = [{**choice, "value": {"choices": [str(row[config.suggestion])]}}]
                task["predictions"] = [{"model_version": config.suggestion, "result": result}]
            batch.append(task)
        if batch:
            yield batch


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _decided(config: LabelSpec, votes: dict[str, list[str]]) -> tuple[dict[str, str], int]:
    """Give the label of each row on which enough people agree, and the number of those on which they do not."""
    labels: dict[str, str] = {}
    disagreed = 0
    for key, choices in votes.items():
        if len(choices) < config.overlap:
            continue
        (label, count), *_ = Counter(choices).most_common()
        if count / len(choices) >= config.agreement:
            labels[key] = label
        else:
            disagreed += 1
    return labels, disagreed
