"""The rule that data looks like a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.columns.scores import shown
from mlops_provider.runtime.dataset_drift import keep_samples, score_datasets
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_dag_factory.spec.data import Rule
    from mlops_provider.refs import DatasetRef
    from mlops_provider.store.store import Store

_SHOWN = 5


def judge_drift(store: Store, rule: Rule, data: DatasetRef, baseline: DatasetRef, file: Path) -> RuleResult:
    """Score the drift of the data from the baseline, and keep a sample of both for Evidently's page."""
    assert rule.drift is not None
    wanted = rule.drift
    drift = score_datasets(store, baseline, data, columns=wanted.columns, threshold=wanted.threshold)
    keep_samples(store, baseline, data, drift, file)
    bad, moved, total = drift.compared.bad, drift.compared.drifted(), drift.compared.total
    share = (len(moved) + len(bad)) / total if total else 0.0
    worst = [f"{name} {why}" for name, why in bad.items()] + [f"{name} {shown(score)}" for score, name in moved]
    most = f"; most: {', '.join(worst[:_SHOWN])}" if worst else ""
    why = (
        f"{len(moved) + len(bad)} of {total} columns drifted from {wanted.baseline} ({share:.0%}, limit "
        f"{wanted.share:.0%}){most}"
    )
    broken: Result = "failed" if rule.severity == "fail" else "warned"
    result: Result = "not_applicable" if total == 0 else broken if share >= wanted.share else "passed"
    values = {name: score for score, name in moved[:_SHOWN]} | {"share": share}
    return RuleResult(rule=rule.name or f"drift from {wanted.baseline}", result=result, why=why, values=values)
