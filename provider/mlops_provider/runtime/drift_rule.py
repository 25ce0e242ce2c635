"""The rule that data looks like a baseline: bounded samples of both, scored column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.comparison import compare_frames
from mlops_provider.runtime.drift import SAMPLE_ROWS, Compared, score_drift
from mlops_provider.runtime.sql import FLOATS, INTEGERS, columns_of, identifier, require_columns
from mlops_provider.runtime.table import scan
from mlops_provider.runtime.view import sampled
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import duckdb
    import pandas as pd

    from mlops_dag_factory.spec.data import Rule
    from mlops_provider.refs import DatasetRef
    from mlops_provider.store.store import Store

_SHOWN = 5


def judge_drift(
    connection: duckdb.DuckDBPyConnection, store: Store, rule: Rule, data: DatasetRef, baseline: DatasetRef, page: Path
) -> RuleResult:
    """Score the drift of the data from the baseline, and write the page with the plots."""
    assert rule.drift is not None
    wanted = rule.drift
    before, after = (columns_of(connection, f"SELECT * FROM {scan(store, ref)}") for ref in (baseline, data))
    require_columns(after, wanted.columns, "the data")
    require_columns(before, wanted.columns, "the baseline")
    kinds = {
        name: "float" if kind in INTEGERS | FLOATS else "string"
        for name, kind in {**before, **after}.items()
        if (name in wanted.columns or not wanted.columns) and not kind.startswith(("TIME", "DATE"))
    }
    sides = (
        _sample(connection, store, baseline, kinds.keys() & before.keys()),
        _sample(connection, store, data, kinds.keys() & after.keys()),
    )
    compared = compare_frames(kinds, *sides)
    scored = {
        name: Compared(compared.baseline[name], compared.window[name], name in compared.categories, wanted.threshold)
        for name in (*compared.numbers, *compared.categories)
    }
    drift = score_drift(scored, page)
    bad = compared.bad | drift.failed
    moved = sorted(((score, name) for name, score in drift.scores.items() if score >= wanted.threshold), reverse=True)
    total = compared.total
    share = (len(moved) + len(bad)) / total if total else 0.0
    worst = [f"{name} {why}" for name, why in bad.items()] + [f"{name} {score:.2f}" for score, name in moved]
    most = f"; most: {', '.join(worst[:_SHOWN])}" if worst else ""
    why = (
        f"{len(moved) + len(bad)} of {total} columns drifted from {wanted.baseline} ({share:.0%}, limit "
        f"{wanted.share:.0%}){most}"
    )
    broken: Result = "failed" if rule.severity == "fail" else "warned"
    result: Result = "not_applicable" if total == 0 else broken if share >= wanted.share else "passed"
    values = {name: score for score, name in moved[:_SHOWN]} | {"share": share}
    return RuleResult(rule=rule.name or f"drift from {wanted.baseline}", result=result, why=why, values=values)


def _sample(
    connection: duckdb.DuckDBPyConnection, store: Store, ref: DatasetRef, columns: Collection[str]
) -> pd.DataFrame:
    """Read about as many rows as are scored, the same ones every time."""
    names = ", ".join(map(identifier, sorted(columns))) or "1 AS nothing"
    query = f"SELECT {names} FROM {scan(store, ref, numbered=True)} WHERE {sampled(SAMPLE_ROWS, ref.rows)}"
    frame: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas()
    return frame
