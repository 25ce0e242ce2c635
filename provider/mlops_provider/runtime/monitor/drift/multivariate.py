"""Drift that no single column shows: a classifier tells the window's rows from the baseline's."""

from __future__ import annotations

from numbers import Number
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.imports import import_allowed
from mlops_provider.runtime.columns.scan import as_category
from mlops_provider.runtime.domain_classifier import tell_frames_apart, tell_texts_apart
from mlops_provider.runtime.predictions import FEATURE_PREFIX
from mlops_provider.store.frame import thinned
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, MultivariateDrift
    from mlops_provider.runtime.columns.profile import Kind
    from mlops_provider.runtime.comparison import Comparison
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

METRIC = "multivariate_drift"
EMBEDDING = "embedding"
EMBEDDING_THRESHOLD = 0.6
_SHOWN = 5
_MOST_TEXTS = 1_000


def check_multivariate(look: Look, check: MultivariateDrift, found: Findings) -> None:
    """Judge the ROC AUC of the classifier; the reason names the columns that it used most."""
    names = _names(look, check)
    kinds = {name: look.baseline_profiles[name].kind for name in names}
    answered = look.answered[[f"{FEATURE_PREFIX}{name}" for name in names]].set_axis(names, axis=1)
    before, after = (_named(side, kinds) for side in (look.baseline[names], answered))
    numeric = frozenset(name for name, kind in kinds.items() if kind == "number")
    try:
        told = tell_frames_apart(before, after, numeric, check.rows)
    except DataError as err:
        found.rules.append(RuleResult(rule=METRIC, result="not_applicable", why=str(err)))
        return
    found.metrics[METRIC] = told.auc
    used = {name: share for name, share in list(told.used.items())[:_SHOWN] if share > 0}
    broken: Result = "failed" if check.severity == "fail" else "warned"
    result: Result = broken if told.auc >= check.threshold else "passed"
    by = ", ".join(f"{name} {share:.0%}" for name, share in used.items())
    why = (
        f"a classifier tells the window from the baseline with a ROC AUC of {told.auc:.2f} (0.5: a coin), threshold "
        f"{check.threshold:g}, on {told.rows:,} rows; it used {by}"
    )
    found.rules.append(
        RuleResult(rule=METRIC, result=result, why=why, values=used, value=told.auc, threshold=check.threshold)
    )


def score_embeddings(look: Look, check: DataDriftCheck, compared: Comparison) -> None:
    """Score the texts that the workflow wants scored by their embeddings, in place of their words."""
    for name, column in check.columns.items():
        if column.embedding is None or name not in compared.scores:
            continue
        embed: Any = None
        if column.embedding != "hashing":
            embed = import_allowed(column.embedding, look.context.allowed_imports)
        sides = [
            rows.filter([column])
            for rows, column in ((look.baseline, name), (look.answered, f"{FEATURE_PREFIX}{name}"))
        ]
        before, after = (_texts(side) for side in sides)
        try:
            told = tell_texts_apart(before, after, embed)
        except Exception as err:  # noqa: BLE001 (the workflow's own function may raise anything; the others are judged)
            del compared.scores[name]
            compared.bad[name] = f"cannot be scored: {err}"
            continue
        compared.scores[name], compared.methods[name] = told.auc, EMBEDDING
        compared.thresholds[name] = column.threshold or EMBEDDING_THRESHOLD


def _texts(rows: pd.DataFrame) -> list[str]:
    """Give the texts of a column, of many those at equal distances; none where it is not there."""
    return [str(text) for text in thinned(rows.dropna(), _MOST_TEXTS).to_numpy().ravel()]


def _named(rows: pd.DataFrame, kinds: dict[str, Kind]) -> pd.DataFrame:
    """Give categories and booleans the names that their profiles give them: 3 and 3.0 are one."""
    given = {
        name: rows[name].map(lambda value, kind=kind: _category(value, kind), na_action="ignore")
        for name, kind in kinds.items()
        if kind != "number"
    }
    return rows.assign(**given)


def _category(value: Any, kind: Kind) -> str:
    plain = value.item() if hasattr(value, "item") else value
    return as_category(plain, kind) if isinstance(plain, str | Number) else str(plain)


def _names(look: Look, check: MultivariateDrift) -> list[str]:
    """Give the columns that both sides have; ConfigError for one that is no feature."""
    features = look.signature.names()
    if unknown := [name for name in check.columns if name not in features]:
        raise ConfigError(
            f"data_drift.multivariate names '{unknown[0]}', which is no feature of the model",
            hint=f"its features are: {', '.join(features[:20])}",
        )
    return [
        name
        for name in check.columns or features
        if name in look.baseline
        and name in look.profiles
        and f"{FEATURE_PREFIX}{name}" in look.answered
        and look.baseline_profiles[name].kind not in {"time", "text"}
    ]
