"""Freezes: times in which nothing is released."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BeforeValidator, Field, create_model, model_validator

from mlops_dag_factory.spec.base import Duration, Spec, SpecError, is_template


def parse_moment(value: object) -> object:
    """Check that a text is a date or a moment in ISO 8601; it stays text."""
    if not isinstance(value, str) or is_template(value):
        return value
    for kind in (date, datetime):
        try:
            kind.fromisoformat(value)
        except ValueError:
            continue
        return value
    raise SpecError(f"'{value[:40]}' is not a date or time", hint="write 2026-12-20, or 2026-12-20T18:00")


Moment = Annotated[str, BeforeValidator(parse_moment)]

if TYPE_CHECKING:

    class _Window(Spec):
        """A freeze's times; their keys are words that Python keeps for itself."""
else:
    _Window = create_model(
        "_Window",
        __base__=Spec,
        **{
            "from": (Moment | None, Field(default=None, description="When it begins, as 2026-12-20T18:00.")),
            "for": (Duration | None, Field(default=None, description="How long one that comes again lasts, as 64h.")),
        },
    )


class FreezeSpec(_Window):
    """A time in which nothing is released: from and to, or cron and for. What has begun goes on, and rollbacks do."""

    to: Moment | None = Field(default=None, description="When it ends; a day alone is part of it.")
    cron: str | None = Field(default=None, description="When one that comes again begins, as '0 16 * * 5'.")
    timezone: str = Field(default="UTC", description="IANA time zone of times without one, and of the cron expression.")
    reason: str = Field(min_length=1, description="Why: it is said to whoever is held up.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        once, again = (self.begins, self.to), (self.cron, self.lasts)
        if all(once) == all(again) or any(once if all(again) else again):
            raise SpecError("needs 'from' and 'to', or 'cron' and 'for'")
        return self

    @property
    def begins(self) -> str:
        """When it begins, or nothing."""
        return str(getattr(self, "from") or "")

    @property
    def lasts(self) -> timedelta | None:
        """How long one that comes again lasts."""
        found: timedelta | None = getattr(self, "for")
        return found
