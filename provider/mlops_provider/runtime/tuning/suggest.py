"""What Optuna suggests: a study in memory that is filled from the trials in the store, so that any store will do.

A suggestion follows from the seed, the trial's number and what is known then. One worker therefore makes the same
search every time, and after a crash the one it would have made. Several workers do not: what is known when a trial
begins depends on how fast the others are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from mlops_provider.imports import import_extra
from mlops_provider.runtime.tuning.space import Interval, Steps, choices
from mlops_provider.runtime.tuning.trial import Proposal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_dag_factory.spec.tune import TuneSpec
    from mlops_provider.runtime.tuning.trial import Goal, Trial

RANDOM_FIRST = 10
"""So many trials are drawn by chance before Optuna learns from them."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """Optuna's tree-structured Parzen estimator (Bergstra and others 2011), over all parameters together."""

    tune: TuneSpec
    goal: Goal
    seed: int

    @property
    def size(self) -> int:
        """How many trials there are."""
        return self.tune.limit

    def propose(self, number: int, done: Mapping[int, Trial], running: Mapping[int, Proposal]) -> Proposal:
        """Ask Optuna."""
        optuna = import_extra("optuna", "optuna")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        spaces = {name: _distribution(optuna, given) for name, given in sorted(self.tune.space.items())}
        sampler = optuna.samplers.TPESampler(
            seed=(self.seed * 1_000_003 + number) % 2**32,
            n_startup_trials=min(RANDOM_FIRST, max(1, self.size // 2)),
            multivariate=True,
            constant_liar=True,
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        states = optuna.trial.TrialState
        study.add_trials(
            [self._trial(optuna, spaces, one.parameters, _state(states, one), one.folds) for one in done.values()]
            + [self._trial(optuna, spaces, one.parameters, states.RUNNING, ()) for one in running.values()]
        )
        asked = study.ask(spaces)
        return Proposal({name: _value(self.tune.space[name], asked.params[name]) for name in spaces})

    def _trial(
        self, optuna: Any, spaces: dict[str, Any], parameters: Mapping[str, Any], state: Any, folds: Sequence[float]
    ) -> Any:
        means = [self.goal.goodness(fmean(folds[:count])) for count in range(1, len(folds) + 1)]
        return optuna.trial.create_trial(
            state=state,
            value=means[-1] if state == optuna.trial.TrialState.COMPLETE else None,
            params={name: _choice(self.tune.space[name], parameters[name]) for name in spaces},
            distributions=spaces,
            intermediate_values=dict(enumerate(means)),
        )


def _state(states: Any, trial: Trial) -> Any:
    return {"finished": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[trial.state]


def _distribution(optuna: Any, given: Any) -> Any:
    found = choices(given)
    kinds = optuna.distributions
    if isinstance(found, Interval):
        if found.whole:
            return kinds.IntDistribution(int(found.low), int(found.high), log=found.log)
        return kinds.FloatDistribution(found.low, found.high, log=found.log)
    if isinstance(found, Steps):  # by place: floats that steps add up to differ in their last digits
        return kinds.IntDistribution(0, len(found) - 1)
    return kinds.CategoricalDistribution(tuple(range(len(found))))


def _value(given: Any, asked: Any) -> Any:
    found = choices(given)
    return asked if isinstance(found, Interval) else found[asked]


def _choice(given: Any, value: Any) -> Any:
    """Give what stands for a value in Optuna: itself, or its place among the choices."""
    found = choices(given)
    if isinstance(found, Interval):
        return value
    wanted = json.dumps(value, sort_keys=True)
    return next(place for place, one in enumerate(found) if json.dumps(one, sort_keys=True) == wanted)
