"""What the next trial of a search tries: a list made beforehand, the best of a rung, or what Optuna suggests."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log
from typing import TYPE_CHECKING, Any, Protocol

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.tuning.space import draw, grid
from mlops_provider.runtime.tuning.trial import Goal, Proposal, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_dag_factory.spec.tune import TuneSpec
    from mlops_provider.runtime.tuning.judge import Judge

FACTOR = 3
"""Of each rung, one trial in so many goes on, on so many times the rows."""
_ROWS_PER_FOLD = 2


@dataclass(frozen=True, slots=True)
class Wait:
    """The trial depends on others that are not done yet."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to try: too few of those before came to an end."""


WAIT, NOTHING = Wait(), Nothing()
Next = Proposal | Wait | Nothing


class Sampler(Protocol):
    """Says what trial n tries, from what is known of the others; the same from the same."""

    @property
    def size(self) -> int:
        """How many trials there are."""
        ...

    def propose(self, number: int, done: Mapping[int, Trial], running: Mapping[int, Proposal]) -> Next:
        """Say what a trial tries, or why there is nothing to try."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """Grid and random: the trials are known beforehand, and do not depend on who runs them or when."""

    combinations: list[dict[str, Any]]

    @property
    def size(self) -> int:
        """How many trials there are."""
        return len(self.combinations)

    def propose(self, number: int, done: Mapping[int, Trial], running: Mapping[int, Proposal]) -> Next:  # noqa: ARG002 (the protocol)
        """Give the combination of this number."""
        return Proposal(self.combinations[number])


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of successive halving: how many trials, each on how many rows, and the number of the first."""

    first: int
    trials: int
    rows: int


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving: many combinations on few rows, the best third of them on three times as many, and so on.

    Jamieson and Talwalkar 2016; rungs as scikit-learn's HalvingRandomSearchCV makes them with
    `min_resources='exhaust'`, so that the last rung has all rows or nearly so.
    """

    combinations: list[dict[str, Any]]
    rungs: list[Rung]
    goal: Goal

    @property
    def size(self) -> int:
        """How many trials there are, all rungs together."""
        return sum(rung.trials for rung in self.rungs)

    def propose(self, number: int, done: Mapping[int, Trial], running: Mapping[int, Proposal]) -> Next:  # noqa: ARG002 (the protocol)
        """Give a combination of the first rung, or one of the best of the rung before."""
        level = max(i for i, rung in enumerate(self.rungs) if rung.first <= number)
        rung = self.rungs[level]
        if level == 0:
            return Proposal(self.combinations[number], rung.rows)
        before = self.rungs[level - 1]
        numbers = range(before.first, before.first + before.trials)
        if any(other not in done and not self._empty(other, done) for other in numbers):
            return WAIT
        finished = [done[other] for other in numbers if other in done and done[other].state == "finished"]
        best = sorted(finished, key=self.goal.key)
        place = number - rung.first
        return Proposal(best[place].parameters, rung.rows, level) if place < len(best) else NOTHING

    def _empty(self, number: int, done: Mapping[int, Trial]) -> bool:
        return isinstance(self.propose(number, done, {}), Nothing)


def rungs(candidates: int, rows: int, least: int) -> list[Rung]:
    """Give the rungs for so many candidates; `least` is how few rows make sense."""
    needed = 1 + floor(log(candidates, FACTOR) + 1e-9)
    least = min(rows, max(least, rows // FACTOR ** (needed - 1)))
    possible = 1 + floor(log(rows // least, FACTOR) + 1e-9)
    found: list[Rung] = []
    first, left = 0, candidates
    for level in range(min(needed, possible)):
        found.append(Rung(first, left, min(rows, FACTOR**level * least)))
        first, left = first + left, ceil(left / FACTOR)
    return found


def make_sampler(tune: TuneSpec, judge: Judge) -> Sampler:
    """Make what a search says."""
    if tune.search == "grid":
        return Listed(grid(tune.space))
    seed = judge.config.seed
    if tune.search == "random":
        return Listed(draw(tune.space, tune.limit, seed))
    if tune.search == "optuna":
        from mlops_provider.runtime.tuning.suggest import Suggested

        return Suggested(tune, judge.goal, seed)
    combinations = draw(tune.space, tune.limit, seed)
    classes = judge.data.target.nunique() if judge.task == "classification" else 1
    least = _ROWS_PER_FOLD * len(judge.folds) * classes
    rows = len(judge.data.frame)
    if least > rows:
        raise ConfigError(f"{rows} rows are too few for halving: it needs {least}", hint="use search: random")
    return Halving(combinations, rungs(len(combinations), rows, least), judge.goal)
