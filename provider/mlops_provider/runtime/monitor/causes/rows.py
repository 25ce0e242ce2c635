"""Sample rows of what moved: those in which the likeliest column is farthest from what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.monitor.causes.moved import Moved
    from mlops_provider.runtime.monitor.look import Look

SHOWN, COLUMNS, LONGEST = 5, 6, 60


def sample_rows(look: Look, moved: list[Moved]) -> list[dict[str, Any]]:
    """Give some rows with their request, time, answer, outcome and the columns that moved most.

    Of a number those farthest from the baseline's mean, else rows with values that the baseline hardly has; without a
    column that moved, rows whose answer was wrong.
    """
    rows = look.answered
    columns = [one.column for one in moved if FEATURE_PREFIX + one.column in rows][:COLUMNS]
    if columns:
        chosen = rows.loc[_order(look, columns[0], rows)].head(SHOWN)
    else:
        rows = look.labelled
        wrong = rows[rows["prediction"].astype("string") != rows["truth"].astype("string")] if len(rows) else rows
        chosen = wrong.tail(SHOWN)
        columns = [name for name in look.signature.names() if FEATURE_PREFIX + name in rows][:COLUMNS]
    return [_row(row, columns) for _, row in chosen.iterrows()]


def _order(look: Look, column: str, rows: pd.DataFrame) -> pd.Index[Any]:
    values, profile = rows[FEATURE_PREFIX + column], look.baseline_profiles[column]
    if values.dtype.kind in "iuf" and profile.numeric:
        apart = (values.astype(float) - profile.mean).abs()
        return apart.sort_values(ascending=False, kind="stable", na_position="first").index
    counts = values.astype("string").map(dict(profile.categories)).astype("float64").fillna(0.0)
    return counts.sort_values(kind="stable").index


def _row(row: pd.Series[Any], columns: list[str]) -> dict[str, Any]:
    known = {"request_id": row["request_id"], "ts": row["ts"].isoformat()[:19]}
    known |= {name: row[FEATURE_PREFIX + name] for name in columns}
    known["prediction"] = row["prediction"]
    if "truth" in row.index and row["truth"] is not None:
        known["truth"] = row["truth"]
    return {name: _cell(value) for name, value in known.items()}


def _cell(value: Any) -> str:
    """Give a value as text; what is missing is empty."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
