"""What holds an action back although there is a breach: each rule with its name, its numbers and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.rollout.freeze import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops_dag_factory.spec.monitoring.policy import PolicySpec
    from mlops_provider.runtime.monitor.deciding.silences import Silence
    from mlops_provider.runtime.monitor.deciding.state import Alarm, Mark, State

PEOPLE = ("notify", "todo")
"""Actions that take somebody's time: quiet hours and an acknowledgement hold them."""
AGAIN = ("retrain", "fallback")
"""Actions with a cooldown, which counts from one alarm to the next."""
_WEEK = timedelta(days=7)
_NOUNS = {"retrain": "retraining", "notify": "notice", "fallback": "fallback", "todo": "to-do", "stop": "stop"}

Obstacle = dict[str, Any]
"""The name of the rule as 'rule', its numbers, `until` where it ends by itself, the sentence as 'said'; {}: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the decision looks at besides the check: standing silences, and the retraining that is under way."""

    silences: Sequence[Silence] = ()
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A breach that counts, at a time."""

    state: State
    alarm: Alarm
    policy: PolicySpec
    now: datetime
    around: Around
    critical: bool

    def of_machines(self, action: str) -> Obstacle:
        """Say what forbids an action of machines now, or nothing."""
        if action == "retrain":
            return self._pending() or self._cooldown(action) or self._budget()
        if action in self.alarm.done:
            return {"rule": "done", "alarm": self.alarm.opened.id, "said": "it was done for this alarm"}
        return self._cooldown(action) if action in AGAIN else {}

    def of_people(self, action: str, *, news: bool) -> Obstacle:
        """Say why people are not asked now, or nothing; `news` tells of what they do not know yet."""
        if not news:
            if action == "todo" and action in self.alarm.done:
                return {"rule": "done", "alarm": self.alarm.opened.id, "said": "it is on the list"}
            if found := self._told(action) or self._acknowledged():
                return found
        return {} if self.critical else self._quiet()

    def _pending(self) -> Obstacle:
        last = self.state.last("retrain")
        if last is None or not self.around.pending or last.age(self.now) >= self.policy.patience:
            return {}
        said = f"the one asked for at {last.at:%Y-%m-%d %H:%M} {self.around.pending}"
        return {
            "rule": "pending",
            "asked": last.at.isoformat(),
            **self._until(self.policy.patience, last),
            "said": said,
        }

    def _cooldown(self, action: str) -> Obstacle:
        last = self.state.last(action)
        if last is None or last.age(self.now) >= self.policy.cooldown:
            return {}
        said = f"the last was asked for at {last.at:%Y-%m-%d %H:%M}, the cooldown is {self.policy.cooldown}"
        until = self._until(self.policy.cooldown, last)
        return {"rule": "cooldown", "asked": last.at.isoformat(), **until, "said": said}

    def _budget(self) -> Obstacle:
        budget = self.policy.per_week
        within = [mark for mark in self.state.taken.get("retrain", ()) if mark.age(self.now) < _WEEK]
        if len(within) < budget:
            return {}
        until = self._until(_WEEK, within[len(within) - budget]) if budget else {}
        said = f"{len(within)} within seven days, the budget is {budget}"
        return {"rule": "per_week", "asked": len(within), "budget": budget, **until, "said": said}

    def _told(self, action: str) -> Obstacle:
        told = self.alarm.told
        if action != "notify" or told is None or told.age(self.now) >= self.policy.remind:
            return {}
        said = f"told at {told.at:%Y-%m-%d %H:%M}, reminded after {self.policy.remind}"
        return {"rule": "remind", "told": told.at.isoformat(), **self._until(self.policy.remind, told), "said": said}

    def _acknowledged(self) -> Obstacle:
        opened = self.alarm.opened.id
        ack = next((one for one in self.around.silences if one.kind == "ack" and one.alarm == opened), None)
        if ack is None:
            return {}
        said = f"acknowledged by {ack.by} until {ack.until:%Y-%m-%d %H:%M} ({ack.reason})"
        return {"rule": "acknowledged", "by": ack.by, "until": ack.until.isoformat(), "said": said}

    def _quiet(self) -> Obstacle:
        quiet = frozen(self.policy.quiet, self.now)
        if quiet is None:
            return {}
        said = f"quiet hours until {quiet.until.isoformat(timespec='minutes')} ({quiet.reason})"
        return {"rule": "quiet", "until": quiet.until.isoformat(), "said": said}

    def _until(self, length: timedelta, mark: Mark) -> dict[str, str]:
        """Give when a time that counts from a mark is over."""
        return {"until": (self.now + length - mark.age(self.now)).isoformat()}


def said_of(held: Iterable[Obstacle]) -> list[str]:
    """Say of each action why it is not taken; what was done before is no news."""
    return [f"no {_NOUNS.get(one['action'], one['action'])}: {one['said']}" for one in held if one["rule"] != "done"]
