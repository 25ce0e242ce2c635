"""The prediction log's columns, one row per predicted row.

Numbers are logged as double whatever the signature says (the model saw them so, and a missing one is null); strings,
booleans and times keep their types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_provider.serving.prediction_log import Entry

SCHEMA_VERSION = 2
ANSWERED = 200
DICTIONARIES = ["request_id", "model", "version", "digest", "environment", "role", "entity_id"]
"""The columns that repeat; the others are written faster without a dictionary."""


def log_table(entries: list[Entry]) -> pa.Table:
    """Give the entries of one model as a table."""
    import numpy as np
    import pyarrow as pa

    first = entries[0]
    counts = np.asarray([entry.rows for entry in entries])
    rows = int(counts.sum())
    whose = np.repeat(np.arange(len(entries), dtype=np.int32), counts)

    def always(value: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), [value])

    at = np.asarray([int(entry.at * 1e6) for entry in entries], dtype="datetime64[us]")[whose]
    columns: dict[str, Any] = {
        "schema_version": np.full(rows, SCHEMA_VERSION, dtype=np.int32),
        "request_id": pa.DictionaryArray.from_arrays(whose, pa.array([entry.request_id for entry in entries])),
        "row": np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
        "ts": pa.array(at).cast(pa.timestamp("us", "UTC")),
        "model": always(first.workflow),
        "version": always(first.served.version.version),
        "digest": always(first.served.loaded.ref.digest),
        "environment": always(first.environment),
        "role": always(first.role),
        "prediction": _predictions(entries),
        "probability": _probabilities(entries, rows),
        "latency_ms": np.asarray([entry.latency_ms for entry in entries])[whose],
        "status": np.full(rows, ANSWERED, dtype=np.int16),
        "entity_id": pa.array([entry.entity_id or None for entry in entries], pa.string()).take(pa.array(whose)),
    }
    return pa.table({**columns, **_features(entries)})


def _predictions(entries: list[Entry]) -> Any:
    """Give one value for each row, or the list of a multilabel model's."""
    import numpy as np
    import pyarrow as pa

    predictions = np.concatenate([entry.answer.predictions for entry in entries])
    return predictions if predictions.ndim == 1 else pa.array(predictions.tolist())


def _probabilities(entries: list[Entry], rows: int) -> Any:
    """Give the probability of the predicted class, or nulls."""
    import numpy as np
    import pyarrow as pa

    given = [entry.answer.probabilities for entry in entries if entry.answer.probabilities is not None]
    if not given or not entries[0].served.signature.classes:
        return pa.nulls(rows, pa.float64())
    predictions = np.concatenate([entry.answer.predictions for entry in entries])
    places = np.searchsorted(np.asarray(entries[0].served.signature.classes), predictions)
    return np.take_along_axis(np.concatenate(given), places[:, None], axis=1)[:, 0]


def _features(entries: list[Entry]) -> dict[str, Any]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    features = entries[0].served.features
    inputs = [entry.answer.inputs for entry in entries]
    types = {"string": pa.string(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us")}
    if not isinstance(inputs[0], pd.DataFrame):
        matrix = np.asfortranarray(np.concatenate(inputs))
        return {f"x_{name}": pa.array(matrix[:, i], from_pandas=True) for i, name in enumerate(features.names)}
    frame = pd.concat(inputs, ignore_index=True)
    return {
        f"x_{name}": pa.array(frame[name], types.get(kind, pa.float64()), from_pandas=True)
        for name, kind in zip(features.names, features.types, strict=True)
    }
