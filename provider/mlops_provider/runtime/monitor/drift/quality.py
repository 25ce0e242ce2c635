"""The quality of the window's values: what is missing, and what the training has never seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.columns.scores import unseen_categories, unseen_share
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitoring.checks import DataQualityCheck
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

_SHOWN = 5


def check_quality(look: Look, found: Findings) -> None:
    """Judge the share of missing values of every feature, and of values that the baseline has not."""
    profiles = look.profiles
    shares = {name: profiles[name].missing_share if name in profiles else 1.0 for name in look.signature.names()}
    found.metrics["missing_share"] = max(shares.values(), default=0.0)
    check = look.config.checks.data_quality
    if check is None:
        return
    if check.missing is not None:
        found.rules.append(_missing(shares, check.missing))
    if check.unseen_categories != "off":
        _judge_unseen(look, check, found)


def _missing(shares: dict[str, float], limit: float) -> RuleResult:
    worst = sorted(((share, name) for name, share in shares.items() if share > limit), reverse=True)
    more = f" and {len(worst) - _SHOWN} more" if len(worst) > _SHOWN else ""
    named = ", ".join(f"{name} {share:.0%}" for share, name in worst[:_SHOWN])
    if worst:
        why = f"missing in more than {limit:.0%} of the rows: {named}{more}"
    else:
        why = f"no feature is missing in more than {limit:.0%} of the rows"
    values = {name: share for share, name in worst[:_SHOWN]}
    return RuleResult(rule="data_quality", result="failed" if worst else "passed", why=why, values=values)


def _judge_unseen(look: Look, check: DataQualityCheck, found: Findings) -> None:
    """Name the values that the training has never had, by feature."""
    unseen: dict[str, dict[str, int]] = {}
    for name in look.signature.names():
        baseline, window = look.baseline_profiles.get(name), look.profiles.get(name)
        if baseline and window and baseline.kind in {"category", "boolean"} and baseline.values:
            unseen[name] = unseen_categories(baseline, window)
    shares = {
        name: unseen_share(look.baseline_profiles[name], look.profiles[name])
        for name, values in unseen.items()
        if values
    }
    found.metrics["unseen_share"] = max(shares.values(), default=0.0)
    worst = sorted(((share, name) for name, share in shares.items()), reverse=True)
    if worst:
        named = [
            f"{name} {share:.1%} ({', '.join(repr(value) for value in list(unseen[name])[:3])})"
            for share, name in worst[:_SHOWN]
        ]
        why = f"values that the training has never had: {'; '.join(named)}"
    else:
        why = "no feature has a value that the training has never had"
    broken: Result = "failed" if check.unseen_categories == "fail" else "warned"
    values = {name: share for share, name in worst[:_SHOWN]}
    found.rules.append(
        RuleResult(rule="unseen_categories", result=broken if worst else "passed", why=why, values=values)
    )
