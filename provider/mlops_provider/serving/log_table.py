"""The prediction log's columns, one row per predicted row.

Numbers are logged as double whatever the signature says (the model saw them so, and a missing one is null); strings,
booleans and times keep their types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.serving.prediction_log import Entry

SCHEMA_VERSION = 2
DICTIONARIES = ["request_id", "model", "version", "digest", "environment", "role", "entity_id"]
"""The columns that repeat; the others are written faster without a dictionary."""


def log_table(entries: list[Entry]) -> pa.Table:
    """Give the entries of one model as a table: either answers, or failures, which lack what the model gives."""
    import numpy as np
    import pyarrow as pa

    first = entries[0]
    answers = [entry.answer for entry in entries if entry.answer]
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
        **(
            {"prediction": _predictions(answers), "probability": _probabilities(answers, first.served)}
            if answers
            else {}
        ),
        "latency_ms": np.asarray([entry.latency_ms for entry in entries])[whose],
        "status": np.asarray([entry.status for entry in entries], dtype=np.int16)[whose],
        "entity_id": pa.array([entry.entity_id or None for entry in entries], pa.string()).take(pa.array(whose)),
    }
    return pa.table({**columns, **(_features(answers, first.served) if answers else {})})


def _answered(answers: list[Answer], served: ServedModel) -> dict[str, Any]:
    return {"prediction": _predictions(answers), "probability": _probabilities(answers, served)}


def _predictions(answers: list[Answer]) -> Any:
    """Give one value for each row, or the list of a multilabel model's."""
    import numpy as np
    import pyarrow as pa

    predictions = np.concatenate([answer.predictions for answer in answers])
    return predictions if predictions.ndim == 1 else pa.array(predictions.tolist())


def _probabilities(answers: list[Answer], served: ServedModel) -> Any:
    """Give the probability of the predicted class, or nulls."""
    import numpy as np
    import pyarrow as pa

    given = [answer.probabilities for answer in answers if answer.probabilities is not None]
    predictions = np.concatenate([answer.predictions for answer in answers])
    if not given or not served.signature.classes:
        return pa.nulls(len(predictions), pa.float64())
    places = np.searchsorted(np.asarray(served.signature.classes), predictions)
    return np.take_along_axis(np.concatenate(given), places[:, None], axis=1)[:, 0]


def _features(answers: list[Answer], served: ServedModel) -> dict[str, Any]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    features = served.features
    inputs = [answer.inputs for answer in answers]
    types = {"string": pa.string(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us")}
    if not isinstance(inputs[0], pd.DataFrame):
        matrix = np.asfortranarray(np.concatenate(inputs))
        return {f"x_{name}": pa.array(matrix[:, i], from_pandas=True) for i, name in enumerate(features.names)}
    frame = pd.concat(inputs, ignore_index=True)
    return {
        f"x_{name}": pa.array(frame[name], types.get(kind, pa.float64()), from_pandas=True)
        for name, kind in zip(features.names, features.types, strict=True)
    }
