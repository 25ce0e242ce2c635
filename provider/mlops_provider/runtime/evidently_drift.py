"""Evidently's page of a drift: distributions in a bounded sample, with the scores of all rows.

The check keeps the sample and the scores in one Parquet file; a process beside makes the page when somebody opens it.
Each column's score is registered with Evidently as a method that gives it, so that its page, its tests and its JSON
show the score of all rows, and its own UI opens the run without anything of ours.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

from mlops_provider.store.frame import thinned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.comparison import Comparison

log = logging.getLogger(__name__)

ROWS_FILE = "evidently.parquet"
SAMPLE_ROWS = 5_000
METADATA = b"mlops.drift"
_SIDE = "__side__"
_LABELS = {
    "wasserstein": "Wasserstein distance (normed)",
    "jensenshannon": "Jensen-Shannon distance",
    "psi": "population stability index",
    "ks": "Kolmogorov-Smirnov statistic",
    "chisquare": "chi-square (Cohen's w)",
    "hellinger": "Hellinger distance",
    "length": "Wasserstein distance of the length (normed)",
    "vocabulary": "share of new words",
    "embedding": "ROC AUC of a classifier of the embeddings",
}


def keep_rows(
    folder: Path,
    baseline: pd.DataFrame,
    window: pd.DataFrame,
    compared: Comparison,
    before: Mapping[str, ColumnProfile],
    after: Mapping[str, ColumnProfile],
    *,
    name: str = ROWS_FILE,
) -> None:
    """Keep up to 5,000 rows of both sides with what was compared, the worst column first; nothing of no column."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    order = sorted(compared.scores, key=lambda each: (-compared.scores[each] / compared.thresholds[each], each))
    sides = [thinned(side, SAMPLE_ROWS).reset_index(drop=True) for side in (baseline, window)]
    columns: list[dict[str, Any]] = []
    rows: dict[str, pd.Series[Any]] = {_SIDE: pd.Series([0] * len(sides[0]) + [1] * len(sides[1]), dtype="int8")}
    for each in order:
        if any(each not in side for side in sides):
            continue
        numeric = before[each].kind == "number"
        values = [_values(side[each], numeric=numeric) for side in sides]
        if not all(part.notna().any() for part in values):
            continue
        key = f"c{len(columns)}"
        rows[key] = pd.concat(values, ignore_index=True)
        columns.append(
            {
                "key": key,
                "name": each,
                "numeric": numeric,
                "score": compared.scores[each],
                "threshold": compared.thresholds[each],
                "method": compared.methods[each],
                "rows": [before[each].rows, after[each].rows],
            }
        )
    if not columns:
        return
    table = pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False)
    said = {METADATA: json.dumps({"columns": columns, "bad": compared.bad}, sort_keys=True).encode()}
    pq.write_table(table.replace_schema_metadata(said), folder / name, compression="zstd")


def snapshot(
    file: Path, *, at: datetime | None = None, name: str = "", metadata: Mapping[str, str] | None = None
) -> Any:
    """Give Evidently's snapshot of a file that `keep_rows` has written: plots, scores and tests of every column.

    A column whose numbers Evidently cannot draw is drawn as one of categories, so that the others are not lost.
    """
    import warnings

    import pyarrow.parquet as pq

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pq.ParquetFile(file).read()
        columns = json.loads(table.schema.metadata[METADATA])["columns"]
        for column, plain in zip(columns, _plain_names([column["name"] for column in columns]), strict=True):
            column["name"] = plain
        frame = table.to_pandas()
        said = {"timestamp": at, "name": name or None, "metadata": dict(metadata or {})}
        try:
            return _run(frame, columns, said)
        except Exception:
            log.exception("Evidently cannot draw all columns as they are: each is tried by itself")
            return _run(frame, [_drawable(frame, column) for column in columns], said)


def _run(frame: pd.DataFrame, columns: list[dict[str, Any]], said: dict[str, Any]) -> Any:
    """Run Evidently on some columns of a sample."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    names = [column["name"] for column in columns]
    numeric = [column["name"] for column in columns if column["numeric"]]
    texts = [column["name"] for column in columns if not column["numeric"]]
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=texts)
    keys = [column["key"] for column in columns]
    baseline, window = (
        Dataset.from_pandas(
            frame.loc[frame[_SIDE] == side, keys]
            .set_axis(names, axis=1)
            .astype(dict.fromkeys(texts, object))
            .reset_index(drop=True),
            data_definition=definition,
        )
        for side in (0, 1)
    )
    metrics = [
        ValueDrift(column=column["name"], method=_register(column), threshold=column["threshold"]) for column in columns
    ]
    return Report(metrics, include_tests=True).run(current_data=window, reference_data=baseline, **said)


def _drawable(frame: pd.DataFrame, column: dict[str, Any]) -> dict[str, Any]:
    """Give a column as it can be drawn."""
    try:
        _run(frame, [column], {})
    except Exception:  # noqa: BLE001 (whatever Evidently raises)
        return {**column, "numeric": False}
    return column


def _register(column: dict[str, Any]) -> str:
    """Make Evidently know the score of a column as a method, under a name of its own; gives the name."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    score, label = float(column["score"]), _LABELS.get(column["method"], column["method"])
    rows = max(column["rows"])
    method = f"{column['method']}, all rows ({column['key']})"
    test = StatTest(
        name=method,
        display_name=f"{label}, of all {rows:,} rows",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )
    register_stattest(test, default_impl=lambda _before, _after, _kind, threshold: (score, score >= threshold))
    return method


def _plain_names(names: list[str]) -> list[str]:
    """Give each column a name of its own without markup, for Evidently puts it into its page as it is."""
    plain: list[str] = []
    for name in names:
        text = _without_markup(name)[:80]
        plain.append(text if text not in plain else f"{text} ({len(plain)})")
    return plain


def _without_markup(text: str) -> str:
    return re.sub(r"[<>&\"'\\]", "·", text)


def _values(column: pd.Series[Any], *, numeric: bool) -> pd.Series[Any]:
    """Give finite floats or short text without markup; none where there is no value."""
    import numpy as np
    import pandas as pd

    if numeric:
        return pd.to_numeric(column, errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)
    text = column.astype("string").map(lambda value: _without_markup(value)[:60], na_action="ignore").astype(object)
    return text.where(text.notna(), None)


def draw(file: Path, folder: Path) -> None:
    """Write evidently.html and evidently.json of a sample into a folder."""
    made = snapshot(file)
    made.save_html(str(folder / "raw.html"))
    (folder / "evidently.json").write_text(json.dumps(_finite(made.dict()), indent=1, default=str), encoding="utf-8")


def _finite(value: Any) -> Any:
    """Give JSON values: plain numbers, null where one is not finite."""
    import math

    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
