"""What a window is compared with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from pydantic import Field, create_model, model_validator

from mlops_dag_factory.spec.base import Duration, SpecError
from mlops_dag_factory.spec.freeze import Moment
from mlops_dag_factory.spec.monitoring.data import TableSpec

if TYPE_CHECKING:

    class _Stretch(TableSpec):
        """A stretch of the log; its first key is a word that Python keeps for itself."""
else:
    _Stretch = create_model(
        "_Stretch",
        __base__=TableSpec,
        **{"from": (Moment | None, Field(default=None, description="Stretch of the log: when it begins, in UTC."))},
    )


class BaselineSpec(_Stretch):
    """What the window is compared with: a dataset, or what the log holds of another time.

    One of: source or sql; from and to; rolling; season. `model`, in its place, is what the live version was trained on.
    """

    to: Moment | None = Field(default=None, description="Stretch of the log: when it ends; that moment is no part.")
    rolling: Duration | None = Field(
        default=None, description="Length of the log just before the window, as 7d; it moves on with the window."
    )
    gap: Duration = Field(default=timedelta(0), description="Between a rolling baseline and the window.")
    season: Duration | None = Field(
        default=None, description="After how long a pattern returns, as 7d: the same hours of earlier weeks."
    )
    count: int = Field(default=4, ge=1, le=100, description="How many seasons back.")

    @property
    def since(self) -> str:
        """When a stretch of the log begins, or nothing."""
        return str(getattr(self, "from") or "")

    @property
    def in_log(self) -> bool:
        """Whether it is in the prediction log."""
        return not self.given

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = {
            "source": self.source,
            "sql": self.sql,
            "from": self.since or self.to,
            "rolling": self.rolling,
            "season": self.season,
        }
        given = [f"'{name}'" for name, value in kinds.items() if value]
        if len(given) != 1:
            found = f"has {' and '.join(given)}" if given else "names nothing"
            raise SpecError(found, hint="one of source, sql, from and to, rolling, season; or baseline: model")
        if self.gap and self.rolling is None:
            raise SpecError("'gap' goes with 'rolling'")
        return self

    @model_validator(mode="after")
    def _times(self) -> Self:
        if bool(self.since) != bool(self.to):
            raise SpecError("'from' and 'to' go together")
        if self.to and self.since >= self.to:
            raise SpecError(f"ends at {self.to}, before it begins")
        for name in ("rolling", "season"):
            length = getattr(self, name)
            if length is not None and length < timedelta(hours=1):
                raise SpecError(f"'{name}' is shorter than an hour", hint="the log is added up by the hour")
        return self
