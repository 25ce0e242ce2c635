"""Where a model errs: the rows with the largest losses, and the classes that it takes for one another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

MASK = "•••"
_MOST_COLUMNS = 12
_TEXT = 80


def worst_rows(
    answers: Answers,
    frame: pd.DataFrame,
    n: int,
    *,
    within: Array | None = None,
    first: Sequence[str] = (),
    masked: Collection[str] = (),
    losses: Array | None = None,
) -> list[dict[str, Any]]:
    """Give the n rows with the largest losses, the largest first; equal losses in the order of the rows.

    Of a query that is ranked badly, the row that should have come first and the one that did stand for the others.
    Each has `row` (its position, from 0), `truth`, `prediction`, `loss`
    and up to 12 `values` of the features, `first` the columns named first. `within` (booleans) limits the rows;
    values of `masked` columns are hidden. `losses` are those of the answers, where they were computed before.
    """
    import numpy as np

    losses = np.asarray(answers.losses() if losses is None else losses, dtype=np.float64)
    places = np.arange(len(losses)) if within is None else np.flatnonzero(within)
    places = places[np.argsort(-losses[places], kind="stable")]
    places = places[:n] if answers.query is None else _first_of_queries(answers, places, n)
    signature = answers.signature
    near = [signature.query, signature.timestamp, *first, *signature.names()]
    columns = [name for name in dict.fromkeys(near) if name in frame.columns][:_MOST_COLUMNS]
    return [
        {
            "row": int(place),
            "truth": _answer(answers, answers.truth[place]),
            "prediction": _answer(answers, answers.predicted[place]),
            "loss": float(losses[place]),
            "values": {name: MASK if name in masked else _value(frame[name].iloc[int(place)]) for name in columns},
        }
        for place in places
    ]


def _first_of_queries(answers: Answers, places: Array, n: int) -> Array:
    """Take two rows of each query, in the order of the queries: the truest and the one that was put first."""
    import numpy as np

    assert answers.query is not None
    queries = answers.query[places]
    chosen: list[int] = []
    for query in dict.fromkeys(queries.tolist()):
        rows = places[queries == query]
        best = (rows[np.argmax(answers.truth[rows])], rows[np.argmax(answers.predicted[rows])])
        chosen += [int(row) for row in dict.fromkeys(best)]
        if len(chosen) >= n:
            break
    return np.array(chosen[:n], dtype=np.int64)


def confusion_pairs(answers: Answers, n: int = 10) -> list[dict[str, Any]]:
    """Give the n most frequent pairs of (truth, prediction) that differ, with their rows and the share of the truth."""
    import pandas as pd

    table = pd.DataFrame({"truth": answers.truth, "prediction": answers.predicted})
    totals = table["truth"].value_counts()
    wrong = table[table["truth"] != table["prediction"]].value_counts().reset_index(name="rows")
    pairs = sorted(wrong.itertuples(index=False), key=lambda pair: (-int(pair[2]), str(pair[:2])))[:n]
    return [
        {
            "truth": _value(truth),
            "prediction": _value(said),
            "rows": int(rows),
            "share": float(rows / totals[truth]),
        }
        for truth, said, rows in pairs
    ]


def _answer(answers: Answers, value: Any) -> Any:
    """Give a truth or a prediction as JSON; of a multilabel model, the labels that it has."""
    labels = answers.signature.labels
    if not labels:
        return _value(value)
    return ", ".join(label for label, yes in zip(labels, value, strict=True) if yes) or "none"


def _value(value: Any) -> Any:
    """Give a cell as JSON: numbers and booleans as they are, missing as None, everything else as short text."""
    import numpy as np
    import pandas as pd

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return value if isinstance(value, bool | int | float) else str(value)[:_TEXT]
