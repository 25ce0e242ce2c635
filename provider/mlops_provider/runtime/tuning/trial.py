"""One trial of a search: what is tried, and what came of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.runtime.metrics import goodness, is_lower_better

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

State = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a trial tries: parameters, and where not all rows are learned from, how many of them."""

    parameters: dict[str, Any]
    rows: int | None = None
    rung: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a trial: `folds` are the scores of the folds that were fitted, `score` their mean.

    `started` is in seconds since 1970, `seconds` how long it took, `error` why it failed.
    """

    number: int
    parameters: dict[str, Any]
    state: State
    folds: tuple[float, ...] = ()
    rows: int | None = None
    rung: int = 0
    error: str = ""
    started: float = 0.0
    seconds: float = 0.0
    worker: str = ""
    run_id: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def score(self) -> float | None:
        """The mean over the folds; None where no fold was judged."""
        return fmean(self.folds) if self.folds else None

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "folds": list(self.folds), "score": self.score}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make a trial from its JSON form."""
        fields = {name: given for name, given in value.items() if name != "score"}
        return cls(**{**fields, "folds": tuple(value["folds"])})


@dataclass(frozen=True, slots=True)
class Goal:
    """The metric that decides between trials, by the names of the evaluation."""

    metric: str

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return is_lower_better(self.metric)

    def goodness(self, score: float) -> float:
        """Give a number that is higher where a score is better."""
        return goodness(self.metric, score)

    def key(self, trial: Trial) -> tuple[float, int]:
        """Give what sorts trials, the best first; of equals the first."""
        return (math.inf if trial.score is None else -self.goodness(trial.score), trial.number)

    def best(self, trials: Iterable[Trial]) -> Trial | None:
        """Give the best of the finished trials on the most rows, or None."""
        finished = [trial for trial in trials if trial.state == "finished"]
        top = max((trial.rung for trial in finished), default=0)
        return min((trial for trial in finished if trial.rung == top), key=self.key, default=None)
