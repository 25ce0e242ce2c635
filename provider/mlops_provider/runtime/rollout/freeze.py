"""Freezes: whether releases are frozen now, until when and why; what is released all the same is on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from mlops_provider.exceptions import ConfigError, ReleaseRefusedError
from mlops_provider.runtime.aliases import actor_of
from mlops_provider.store import rollouts
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.services import now, service_history

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_dag_factory.spec.freeze import FreezeSpec
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.runtime.contract import RunContext

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Frozen:
    """Releases are frozen until a moment, for a reason."""

    until: datetime
    reason: str

    def __str__(self) -> str:
        """Say it."""
        return f"releases are frozen until {self.until.isoformat(timespec='minutes')}: {self.reason}"


def held_back(config: ReleaseSpec, context: RunContext) -> Frozen | None:
    """Say which freeze a release that has not begun waits for; None where it may begin.

    ReleaseRefusedError where it is to be refused. With a reason to release all the same, that is put on record.
    """
    found = frozen(config.freeze, datetime.now(UTC))
    if found is None:
        return None
    states = service_history(context.store(), context.workflow, config.environment)
    if rollouts.begun(states, context.identity):
        return None
    if config.override.strip():
        _note_override(config, context, found)
        return None
    if config.on_freeze == "wait":
        return found
    raise ReleaseRefusedError(
        str(found), hint="run it afterwards, or give 'override' a reason: it goes on record with who started the run"
    )


def frozen(freezes: Iterable[FreezeSpec], at: datetime) -> Frozen | None:
    """Give the freeze that holds at a moment and ends last; None where there is none."""
    found = [Frozen(until, freeze.reason) for freeze in freezes if (until := _until(freeze, at))]
    return max(found, key=lambda one: one.until, default=None)


def _until(freeze: FreezeSpec, at: datetime) -> datetime | None:
    try:
        zone = ZoneInfo(freeze.timezone)
    except (ValueError, OSError, KeyError) as err:
        raise ConfigError(f"the freeze's time zone '{freeze.timezone}' is unknown") from err
    if freeze.lasts is not None:
        from croniter import croniter  # type: ignore[import-untyped] # it has no types

        later = at.astimezone(zone) + timedelta(milliseconds=1)  # the moment itself belongs to it
        begins: datetime = croniter(freeze.cron, later).get_prev(datetime)
        ends = begins + freeze.lasts
    else:
        begins, ends = _moment(freeze.begins, zone), _moment(freeze.to or "", zone, whole_day=True)
    return ends if begins <= at < ends else None


def _moment(text: str, zone: ZoneInfo, *, whole_day: bool = False) -> datetime:
    moment = datetime.fromisoformat(text)
    if whole_day and _is_day(text):
        moment += _DAY
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _note_override(config: ReleaseSpec, context: RunContext, found: Frozen) -> None:
    """Record once who released in spite of a freeze, and why."""
    actor = actor_of(context)
    payload = {"freeze": found.reason, "until": found.until.isoformat(), "identity": context.identity}

    def decide(latest: Entry | None) -> Entry | None:
        if latest and latest.kind == "freeze_overridden" and latest.payload.get("identity") == context.identity:
            return None
        return Entry(
            kind="freeze_overridden",
            subject=f"freeze/{config.environment}",
            workflow=context.workflow,
            by=actor.by,
            run=actor.run,
            at=now(),
            reason=config.override.strip(),
            payload=payload,
        )

    Chain(context.store(), context.workflow).append(f"freeze/{config.environment}", decide)
