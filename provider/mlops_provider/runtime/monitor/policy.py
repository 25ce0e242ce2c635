"""The policy: when a breach leads to action. A pure function of the history, the verdict and the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_dag_factory.spec.monitoring.policy import PolicySpec

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done, and the rule that decided it."""

    breach: bool
    actions: tuple[str, ...]
    why: str


def decide(
    history: Sequence[Mapping[str, Any]],
    status: str,
    reasons: Sequence[str],
    policy: PolicySpec,
    on_breach: Sequence[str],
    now: datetime,
) -> Decision:
    """Decide about one check.

    `history` are earlier decisions, oldest first, each with `at`, `status` and `actions`. A vacuous verdict neither
    continues nor breaks a row of breaches. Cooldown and weekly budget concern retraining only.
    """
    if status != "blocked":
        words = ["every check holds"] if status != "vacuous" else []
        return Decision(breach=False, actions=(), why="; ".join([*words, *reasons]) or "nothing could be judged")
    cause = "; ".join(reasons)
    in_a_row = 1
    for entry in reversed(history):
        if entry["status"] == "vacuous":
            continue
        if entry["status"] != "blocked":
            break
        in_a_row += 1
    if in_a_row < policy.consecutive:
        waiting = f"breach {in_a_row} of {policy.consecutive} in a row: {cause}"
        return Decision(breach=True, actions=(), why=waiting)
    actions = [action for action in on_breach if action != "retrain"]
    if "retrain" not in on_breach:
        return Decision(breach=True, actions=tuple(actions), why=cause)
    retrained = [datetime.fromisoformat(entry["at"]) for entry in history if "retrain" in entry["actions"]]
    obstacle = _obstacle(retrained, policy, now)
    if obstacle:
        return Decision(breach=True, actions=tuple(actions), why=f"{cause}; no retraining: {obstacle}")
    return Decision(breach=True, actions=tuple(on_breach), why=cause)


def _obstacle(retrained: Sequence[datetime], policy: PolicySpec, now: datetime) -> str:
    """Say what forbids a retraining now, or nothing."""
    if retrained and now - retrained[-1] < policy.cooldown:
        return f"the last was asked for at {retrained[-1]:%Y-%m-%d %H:%M}, the cooldown is {policy.cooldown}"
    within_week = sum(now - at < _WEEK for at in retrained)
    if within_week >= policy.per_week:
        return f"{within_week} within seven days, the budget is {policy.per_week}"
    return ""
