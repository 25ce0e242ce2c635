"""The rule that data looks like a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.dataset_drift import score_datasets
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

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
    compared, drift = score_datasets(
        connection, store, baseline, data, page, columns=wanted.columns, threshold=wanted.threshold
    )
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
