"""Silences and acknowledgements: by whom, why and until when, as entries of the audit chain.

The chain's subject `monitor/<environment>` carries in each entry those that stood then: one file says what holds, and
it is written by compare-and-set.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.exceptions import ConfigError
from mlops_provider.store.chain import Chain, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_provider.store.store import Store

LONGEST = timedelta(days=90)
_KINDS = {"silence": "silenced", "ack": "acknowledged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Breaches that lead to nothing (silence), or an alarm of which nobody is told again (ack), until a moment.

    `check` is the rule that is silenced; empty: every rule. `alarm` is the decision that opened the alarm.
    """

    id: str
    kind: Literal["silence", "ack"]
    by: str
    reason: str
    at: datetime
    until: datetime
    check: str = ""
    alarm: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "at": self.at.isoformat(), "until": self.until.isoformat()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make a silence from its JSON form."""
        times = {name: datetime.fromisoformat(value[name]) for name in ("at", "until")}
        return cls(**{**value, **times})

    def sentence(self) -> str:
        """Say it."""
        what = f"alarm {self.alarm}" if self.kind == "ack" else f"check '{self.check}'" if self.check else "every check"
        done = "acknowledged" if self.kind == "ack" else "silenced"
        return f"{what} is {done} until {self.until.isoformat(timespec='minutes')} by {self.by}: {self.reason}"


def standing(store: Store, workflow: str, environment: str, now: datetime) -> list[Silence]:
    """Read the silences that have not ended, oldest first."""
    return _standing(Chain(store, workflow).latest(_subject(environment)), now)


def put(store: Store, workflow: str, environment: str, silence: Silence) -> Entry:
    """Let a silence begin; ConfigError for one without a reason, or whose end is past or too far away."""
    if not silence.reason.strip():
        raise ConfigError("a silence needs a reason", hint="whoever asks why nothing was done reads it: say --reason")
    if silence.until <= silence.at:
        raise ConfigError(f"the silence would have ended at {silence.until.isoformat(timespec='minutes')} already")
    if silence.until - silence.at > LONGEST:
        raise ConfigError(
            f"a silence lasts {LONGEST.days} days at most", hint="a check that nobody wants belongs out of the workflow"
        )

    def decide(latest: Entry | None) -> Entry | None:
        before = _standing(latest, silence.at)
        if any(one.id == silence.id for one in before):
            return None
        return _entry(workflow, environment, _KINDS[silence.kind], silence, [*before, silence], silence)

    return _appended(store, workflow, environment, decide)


def end(store: Store, workflow: str, environment: str, identity: str, *, by: str, reason: str, now: datetime) -> Entry:
    """End a silence before its time; ConfigError names those that stand."""

    def decide(latest: Entry | None) -> Entry:
        before = _standing(latest, now)
        ended = next((one for one in before if one.id == identity), None)
        if ended is None:
            known = ", ".join(one.id for one in before) or "none"
            raise ConfigError(f"no silence '{identity}' stands", hint=f"standing: {known}")
        made = Silence(id=identity, kind=ended.kind, by=by, reason=reason, at=now, until=now, check=ended.check)
        return _entry(workflow, environment, "silence_ended", made, [one for one in before if one != ended], ended)

    return _appended(store, workflow, environment, decide)


def _appended(store: Store, workflow: str, environment: str, decide: Any) -> Entry:
    entry = Chain(store, workflow).append(_subject(environment), decide)
    if entry is None:
        raise ConfigError("nothing was put on record")  # append gives what stands where nothing is new
    return entry


def _subject(environment: str) -> str:
    return f"monitor/{environment}"


def _standing(entry: Entry | None, now: datetime) -> list[Silence]:
    found = map(Silence.from_dict, entry.payload["standing"]) if entry else ()
    return [one for one in found if one.until > now]


def _entry(
    workflow: str, environment: str, kind: str, actor: Silence, after: Iterable[Silence], about: Silence
) -> Entry:
    return Entry(
        kind=kind,
        subject=_subject(environment),
        workflow=workflow,
        by=actor.by,
        run="",
        at=actor.at.isoformat(timespec="milliseconds"),
        reason=actor.reason,
        payload={"silence": about.to_dict(), "standing": [one.to_dict() for one in after]},
    )
