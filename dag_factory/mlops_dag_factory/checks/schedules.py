"""Schedules: cron expressions and time zones that exist."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.base import is_template
from mlops_dag_factory.spec.release import ReleaseSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec.freeze import FreezeSpec

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_EXAMPLE = "write five fields (minute hour day month weekday), as '0 3 * * 1', or one of"


def check_schedules(scope: Scope) -> Iterator[Finding]:
    """Yield schedules that are no cron expression, and unknown time zones."""
    schedule, monitor = scope.workflow.schedule, scope.workflow.monitor
    places: list[tuple[str | None, Location]] = [(schedule.cron, ("schedule", "cron"))]
    if monitor:
        places.append((monitor.schedule, ("monitor", "schedule")))
    zones: list[tuple[str, Location]] = [(schedule.timezone, ("schedule", "timezone"))]
    for freeze, where in _freezes(scope):
        places.append((freeze.cron, (*where, "cron")))
        zones.append((freeze.timezone, (*where, "timezone")))
    for cron, loc in places:
        if cron is not None and not is_cron(cron):
            hint = f"{suggestion(cron, PRESETS)}{_EXAMPLE} {', '.join(PRESETS)}"
            yield Finding(loc=loc, code="cron", message=f"'{cron[:60]}' is not a cron expression", hint=hint)
        elif cron is not None and not fires(cron):
            hint = "look at its day and month: no calendar has such a date"
            yield Finding(loc=loc, code="cron", message=f"'{cron}' never fires", hint=hint)
    for zone, loc in zones:
        if not is_template(zone) and not is_timezone(zone):
            message = f"'{zone[:60]}' is not a time zone"
            hint = "write an IANA name such as UTC or Europe/Berlin"
            yield Finding(loc=loc, code="timezone", message=message, hint=hint)


def _freezes(scope: Scope) -> Iterator[tuple[FreezeSpec, Location]]:
    """Give the freezes of the workflow and of its releases, and the monitor's quiet hours, each with its place."""
    for index, freeze in enumerate(scope.workflow.freeze):
        yield freeze, ("freeze", index)
    for index, quiet in enumerate(scope.workflow.monitor.policy.quiet if scope.workflow.monitor else ()):
        yield quiet, ("monitor", "policy", "quiet", index)
    for name, phase in scope.workflow.phases.items():
        if isinstance(phase, ReleaseSpec) and isinstance(phase.freeze, list):
            for index, freeze in enumerate(phase.freeze):
                yield freeze, ("phases", name, "freeze", index)


@lru_cache(maxsize=1024)
def is_cron(text: str) -> bool:
    """Say whether Airflow takes a text as a cron expression or preset."""
    if text in PRESETS:
        return True
    fields = 5
    if text.startswith("@") or len(text.split()) != fields:
        return False
    from croniter import croniter  # type: ignore[import-untyped] # it has no types

    return bool(croniter.is_valid(text))


@lru_cache(maxsize=1024)
def fires(text: str) -> bool:
    """Say whether a cron expression has a date at all; those with a month or a day only are looked at."""
    if text.startswith("@") or "*" in text.split()[2:4]:
        return True
    from datetime import UTC, datetime

    from croniter import CroniterBadDateError, croniter

    try:
        croniter(text, datetime(2024, 1, 1, tzinfo=UTC), max_years_between_matches=8).get_next()
    except CroniterBadDateError:
        return False
    return True


def is_timezone(name: str) -> bool:
    """Say whether a time zone exists."""
    if name == "UTC":
        return True
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True
