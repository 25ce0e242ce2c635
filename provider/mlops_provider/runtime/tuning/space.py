"""The space of a search: every combination of it, or combinations drawn by chance; the same seed gives the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_dag_factory.spec.tune import RangeSpec


@dataclass(frozen=True, slots=True)
class Steps(Sequence[Any]):
    """The numbers from `low` by `step` up to `high`, which they need not meet; whole ones where all three are."""

    low: float
    high: float
    step: float

    @property
    def whole(self) -> bool:
        """Say whether the numbers are whole."""
        return all(float(value).is_integer() for value in (self.low, self.high, self.step))

    def __len__(self) -> int:
        return math.floor((self.high - self.low) / self.step * (1 + 1e-12) + 1e-9) + 1

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...
    def __getitem__(self, index: int | slice) -> float | Sequence[float]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        value = self.low + (index % len(self)) * self.step
        return round(value) if self.whole else min(float(f"{value:.12g}"), self.high)


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers between two bounds, evenly or by magnitude; `whole` gives whole ones, bounds included."""

    low: float
    high: float
    log: bool
    whole: bool

    def rvs(self, random_state: Any) -> float:
        """Draw one number; the name is that of SciPy's distributions, which scikit-learn calls."""
        share = random_state.uniform()
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        value = math.exp(math.log(low) + share * math.log(high / low)) if self.log else low + share * (high - low)
        value = min(max(value, self.low), self.high)
        return min(max(round(value), int(self.low)), int(self.high)) if self.whole else value


def choices(given: list[Any] | RangeSpec) -> Sequence[Any] | Interval:
    """Give what may be chosen from: values, or an interval that is drawn from."""
    if isinstance(given, list):
        return given
    if given.step is None or given.log:
        return Interval(given.low, given.high, given.log, given.whole)
    return Steps(given.low, given.high, given.step)


def grid(space: Mapping[str, list[Any] | RangeSpec]) -> list[dict[str, Any]]:
    """Give every combination; parameters in the order of their names, the last one changing fastest."""
    from sklearn.model_selection import ParameterGrid

    return [dict(one) for one in ParameterGrid({name: list(_values(given)) for name, given in space.items()})]


def draw(space: Mapping[str, list[Any] | RangeSpec], count: int, seed: int) -> list[dict[str, Any]]:
    """Draw combinations; where there are finitely many, none comes twice and there may be fewer than `count`.

    They are drawn as by scikit-learn's ParameterSampler.
    """
    from sklearn.model_selection import ParameterSampler

    chosen = {name: choices(given) for name, given in space.items()}
    if not any(isinstance(one, Interval) for one in chosen.values()):
        count = min(count, math.prod(len(one) for one in chosen.values() if isinstance(one, Sequence)))
    return [dict(sorted(one.items())) for one in ParameterSampler(chosen, count, random_state=seed)]


def _values(given: list[Any] | RangeSpec) -> Sequence[Any]:
    found = choices(given)
    if isinstance(found, Interval):  # whole numbers by magnitude: on a grid they are all there
        return range(int(found.low), int(found.high) + 1)
    return found
