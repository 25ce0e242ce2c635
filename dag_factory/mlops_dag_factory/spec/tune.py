"""The search for good parameters of a training: what is tried, how, where and for how long."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, Spec, SpecError

MOST_TRIALS = 100_000


class RangeSpec(Spec):
    """Numbers between two bounds."""

    low: float = Field(description="Smallest value.")
    high: float = Field(description="Largest value.")
    step: float | None = Field(
        default=None, gt=0, description="Distance of the values; whole numbers throughout give whole numbers."
    )
    log: bool = Field(
        default=False,
        description="True: small values are tried as often as large ones, by magnitude; with step: 1 whole numbers.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(isinstance(value, str) for value in (self.low, self.high, self.step, self.log)):
            return self  # a template, judged when it is rendered
        if self.low >= self.high:
            raise SpecError(f"'low' {self.low:g} is not below 'high' {self.high:g}")
        if self.log and self.low <= 0:
            raise SpecError(f"'log' needs a 'low' above 0, found {self.low:g}")
        if self.log and self.step is not None and not (self.step == 1 and self.whole):
            raise SpecError("'log' goes without 'step', or with whole numbers and 'step: 1'")
        if self.step is not None and self.step > (self.high - self.low) * (1 + 1e-9):
            raise SpecError(f"'step' {self.step:g} is wider than the range from {self.low:g} to {self.high:g}")
        return self

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self.step is not None and all(float(v).is_integer() for v in (self.low, self.high, self.step))

    @property
    def count(self) -> int | None:
        """How many values there are, or None where there are endlessly many or not known before the run."""
        if self.step is None or any(isinstance(value, str) for value in (self.low, self.high, self.step)):
            return None
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1


class TuneSpec(Spec):
    """A search over parameters of the estimator or function; the best are fitted on all rows."""

    one_or_many: ClassVar[frozenset[str]] = frozenset()

    search: Literal["grid", "random", "halving", "optuna"] = Field(
        default="random",
        description="grid: every combination; random: combinations drawn by chance; halving: many on few rows, the "
        "best on more; optuna: each trial learns from those before (extra 'optuna').",
    )
    space: dict[str, list[Any] | RangeSpec] = Field(
        min_length=1,
        description="Parameter -> list of values, or {low, high, step, log}. 'a__b' reaches into a nested estimator.",
    )
    limit: int = Field(default=20, ge=1, le=MOST_TRIALS, description="How many combinations are tried (not for grid).")
    cv: int = Field(
        default=3, ge=2, le=50, description="Folds of the cross-validation; not used where 'validation' has rows."
    )
    scoring: str = Field(
        default="", description="Metric that decides, as in 'evaluate'; default: accuracy, or rmse for numbers."
    )
    trials: Literal["inline", "tasks"] = Field(
        default="inline", description="inline: inside the training's task; tasks: in mapped Airflow tasks."
    )
    workers: int = Field(default=1, ge=1, le=256, description="How many trials run at once.")
    backend: Literal["loky", "threading", "dask", "ray"] = Field(
        default="loky", description="What runs trials at once inside the task: joblib's backend."
    )
    pruning: bool = Field(
        default=False, description="True: a trial that is worse than most after some folds is given up."
    )
    timeout: Duration | None = Field(
        default=None, description="No trial starts after this long; the best so far is taken."
    )

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: the number of tasks may not."""
        return field not in {"trials", "workers"}

    @model_validator(mode="after")
    def _finite(self) -> Self:
        for name, values in self.space.items():
            if isinstance(values, RangeSpec) and self.search == "grid" and values.step is None:
                raise SpecError(f"'{name}' has endlessly many values for a grid", hint="give it a 'step' or a list")
            if isinstance(values, list) and not values:
                raise SpecError(f"'{name}' has no values", hint="list at least one")
        counts = [values.count if isinstance(values, RangeSpec) else len(values) for values in self.space.values()]
        size = math.prod(count or 1 for count in counts)
        if self.search == "grid" and size > MOST_TRIALS:
            raise SpecError(
                f"the grid has {size:,} combinations, more than {MOST_TRIALS:,}", hint="use search: random, or optuna"
            )
        return self
