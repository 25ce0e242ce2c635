"""When a breach leads to action."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, Spec, SpecError
from mlops_dag_factory.spec.freeze import FreezeSpec

USUAL_CHECKS = 3


class QuietHours(FreezeSpec):
    """Hours in which nobody is told: from and to, or cron and for. Machines go on, and what is critical is told."""


class PolicySpec(Spec):
    """When a breach leads to action: by default when two of the last three checks broke a rule."""

    one_or_many: ClassVar = frozenset({"quiet"})

    minimum_rows: int = Field(default=100, ge=1, description="Smaller windows are not judged.")
    consecutive: int = Field(
        default=2, ge=1, le=50, description="Breaches that it takes among the last `of` checks, this one included."
    )
    of: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="Checks among which breaches are counted; default: 3, or `consecutive` if more.",
    )
    hysteresis: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="An alarm ends when what broke is on the good side of its limit by this share of the limit.",
    )
    critical: float = Field(
        default=2.0,
        gt=0,
        description="A breach is critical when it is this many times the limit beyond it (accuracy below 0.7 where 0.9 "
        "is asked for; drift alone never is): quiet hours do not hold it.",
    )
    at_once: bool = Field(default=False, description="A critical breach acts at the first check.")
    remind: Duration = Field(
        default=timedelta(hours=24), description="An alarm that stands is told again after this time; 0s: every check."
    )
    cooldown: Duration = Field(default=timedelta(hours=24), description="No second retraining within this time.")
    per_week: int = Field(default=7, ge=0, le=50, description="Most retrainings within seven days.")
    patience: Duration = Field(
        default=timedelta(days=3),
        description="A retraining that was asked for and has neither ended nor been judged is waited for this long.",
    )
    quiet: list[QuietHours] = Field(
        default_factory=list, description="When nobody is told, as {cron: '0 22 * * *', for: 8h, reason: night}."
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.of is not None and self.of < self.consecutive:
            raise SpecError(
                f"asks for {self.consecutive} breaches among {self.of} checks", hint="'of' is at least 'consecutive'"
            )
        return self

    @property
    def among(self) -> int:
        """How many checks breaches are counted among."""
        return self.of or max(USUAL_CHECKS, self.consecutive)
