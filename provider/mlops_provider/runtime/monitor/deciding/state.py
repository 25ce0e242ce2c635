"""What the policy remembers from check to check. It lies in each decision, so that the latest one is enough."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT = 50


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a clock that may go back.

    `floor` is the earliest time seen since: where the clock says that the moment is still to come, age counts from it.
    """

    id: str
    at: datetime
    floor: datetime

    @classmethod
    def of(cls, identity: str, now: datetime) -> Self:
        """Make the mark of what happens now."""
        return cls(identity, now, now)

    def seen(self, now: datetime) -> Self:
        """Give the mark after a look at the clock."""
        return replace(self, floor=min(self.floor, now))

    def age(self, now: datetime) -> timedelta:
        """Give how long ago it was; never negative."""
        return now - self.at if self.at <= now else now - min(self.floor, now)

    def to_dict(self) -> dict[str, str]:
        """Give the JSON form."""
        return {"id": self.id, "at": self.at.isoformat(), "floor": self.floor.isoformat()}

    @classmethod
    def from_dict(cls, value: Mapping[str, str]) -> Self:
        """Make a mark from its JSON form."""
        return cls(value["id"], datetime.fromisoformat(value["at"]), datetime.fromisoformat(value["floor"]))


@dataclass(frozen=True, slots=True)
class Alarm:
    """A breach that led to action and has not ended.

    `opened` names the decision; `rules` are those that have broken since; `done` the actions that were taken for it;
    `told` is when people last were; `owed` that there has been news since.
    """

    opened: Mark
    version: str
    rules: tuple[str, ...]
    done: tuple[str, ...] = ()
    told: Mark | None = None
    owed: bool = False

    def seen(self, now: datetime) -> Self:
        """Give the alarm after a look at the clock."""
        return replace(self, opened=self.opened.seen(now), told=self.told and self.told.seen(now))

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "opened": self.opened.to_dict(),
            "version": self.version,
            "rules": list(self.rules),
            "done": list(self.done),
            "told": self.told.to_dict() if self.told else None,
            "owed": self.owed,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make an alarm from its JSON form."""
        return cls(
            opened=Mark.from_dict(value["opened"]),
            version=value["version"],
            rules=tuple(value["rules"]),
            done=tuple(value["done"]),
            told=Mark.from_dict(value["told"]) if value["told"] else None,
            owed=value["owed"],
        )


@dataclass(frozen=True, slots=True)
class State:
    """What counts from the checks before: breaches of the version that answers, its alarm, what was asked for when.

    `judged` are the latest checks of `version`, oldest first, True for a breach. `taken` has for each action that
    takes long (retrain, fallback) when it was taken.
    """

    version: str = ""
    judged: tuple[bool, ...] = ()
    alarm: Alarm | None = None
    taken: dict[str, tuple[Mark, ...]] = field(default_factory=dict)

    def seen(self, now: datetime) -> Self:
        """Give the state after a look at the clock."""
        taken = {action: tuple(mark.seen(now) for mark in marks) for action, marks in self.taken.items()}
        return replace(self, taken=taken, alarm=self.alarm and self.alarm.seen(now))

    def last(self, action: str) -> Mark | None:
        """Give when an action was last taken."""
        marks = self.taken.get(action, ())
        return marks[-1] if marks else None

    def with_check(self, *, breach: bool) -> Self:
        """Give the state after one more check that was judged."""
        return replace(self, judged=(*self.judged, breach)[-_KEPT:])

    def with_taken(self, action: str, mark: Mark) -> Self:
        """Give the state after an action."""
        return replace(self, taken={**self.taken, action: (*self.taken.get(action, ()), mark)[-_KEPT:]})

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "version": self.version,
            "judged": list(self.judged),
            "alarm": self.alarm.to_dict() if self.alarm else None,
            "taken": {action: [mark.to_dict() for mark in marks] for action, marks in self.taken.items()},
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make a state from its JSON form; nothing is remembered where there is none."""
        if not value:
            return cls()
        taken = {action: tuple(map(Mark.from_dict, marks)) for action, marks in value["taken"].items()}
        alarm = Alarm.from_dict(value["alarm"]) if value["alarm"] else None
        return cls(value["version"], tuple(value["judged"]), alarm, taken)
