"""Drift of the window's features and predictions from the baseline: the judgement of the scores.

A column has drifted when its score reaches the threshold, which says what matters, and when a score as large is not
chance at this size of the window, which is decided for all columns together (Benjamini and Hochberg, Controlling the
false discovery rate, 1995).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.columns.scores import shown
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, PredictionDriftCheck
    from mlops_provider.runtime.monitor.findings import Findings

_SHOWN = 5


def judge_predictions(check: PredictionDriftCheck, score: float | None, method: str, found: Findings) -> None:
    """Judge how far the predictions moved."""
    if score is None:
        why, result = "predictions cannot be compared: they have no usable values", _broken(check.severity)
        found.rules.append(RuleResult(rule="prediction_drift", result=result, why=why))
        return
    found.metrics["prediction_drift"] = score
    chance = found.chances.get(PREDICTION, 0.0)
    beyond = score >= check.threshold
    by_chance = beyond and check.false_discovery is not None and chance > check.false_discovery
    why = f"predictions moved by {shown(score, 3)} ({method}), threshold {check.threshold:g}"
    if by_chance:
        why += f"; at this size that is chance (p {chance:.2g}, limit {check.false_discovery:g})"
    found.rules.append(
        RuleResult(
            rule="prediction_drift",
            result=_broken(check.severity) if beyond and not by_chance else "passed",
            why=why,
            values={"prediction_drift": score},
            value=None if by_chance else score,
            threshold=check.threshold,
        )
    )


def judge_features(check: DataDriftCheck, total: int, found: Findings) -> None:
    """Judge the share of drifted features; a feature that cannot be compared counts as drifted."""
    if total == 0:
        why = "no feature can be compared"
        found.rules.append(RuleResult(rule="data_drift", result="not_applicable", why=why))
        return
    beyond = {name: score for name, score in found.scores.items() if score >= found.thresholds[name]}
    limit = 1.0 if check.false_discovery is None else check.false_discovery
    chance = {name for name, value in _adjusted(found).items() if value > limit}
    drifted = sorted(((score, name) for name, score in beyond.items() if name not in chance), reverse=True)
    count = len(drifted) + len(found.bad_columns)
    share = count / total
    if found.weights:
        share = sum(found.weights.get(name, 0.0) for name in [*found.bad_columns, *(name for _, name in drifted)])
    found.metrics["drift_share"] = share
    found.by_chance = chance
    for name in chance:
        said = f"beyond its threshold by chance (p {found.chances[name]:.2g})"
        found.notes[name] = "; ".join(text for text in (found.notes.get(name, ""), said) if text)
    parts = [f"{name} {why}" for name, why in list(found.bad_columns.items())[:_SHOWN]]
    parts += [f"{name} {shown(score)}" for score, name in drifted[:_SHOWN]]
    worst = f"; most: {', '.join(parts)}" if parts else ""
    more = f"; {len(chance)} more beyond the threshold by chance" if chance else ""
    of = " of the importance" if found.weights else ""
    found.rules.append(
        RuleResult(
            rule="data_drift",
            result=_broken(check.severity) if share >= check.share else "passed",
            why=f"{count} of {total} features drifted ({share:.0%}{of}, limit {check.share:.0%}){worst}{more}",
            values={name: score for score, name in drifted[:_SHOWN]},
            value=share,
            threshold=check.share,
        )
    )


def _adjusted(found: Findings) -> dict[str, float]:
    """Adjust the probabilities of the features for how many there are.

    Scores below their threshold count as chance; one that profiles do not give has been judged by its own means.
    """
    features = [name for name in found.scores if name in found.chances]
    if not features:
        return {}
    rest = len(found.scores) - len(features)
    values = false_discovery([*(found.chances[name] for name in features), *[1.0] * rest])
    return dict(zip(features, values[: len(features)], strict=True))


def false_discovery(chances: list[float]) -> list[float]:
    """Adjust probabilities for how many there are: scipy.stats.false_discovery_control, which takes long to import."""
    adjusted, least, count = list(chances), 1.0, len(chances)
    for place, (chance, i) in enumerate(sorted(((chance, i) for i, chance in enumerate(chances)), reverse=True)):
        least = min(least, chance * (count / (count - place)))
        adjusted[i] = least
    return adjusted


def _broken(severity: str) -> Result:
    return "failed" if severity == "fail" else "warned"
