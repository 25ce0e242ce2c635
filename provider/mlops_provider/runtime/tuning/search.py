"""Search for good parameters: open the search in the store, let workers run its trials, take the best."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.cache import content_key
from mlops_provider.runtime.outside import outside_of
from mlops_provider.runtime.training_data import read_training_data
from mlops_provider.runtime.tuning.children import log_trials
from mlops_provider.runtime.tuning.found import Found
from mlops_provider.runtime.tuning.judge import Judge, reasons
from mlops_provider.runtime.tuning.lease import Worker
from mlops_provider.runtime.tuning.progress import Progress
from mlops_provider.runtime.tuning.sampler import Nothing, Sampler, Wait, make_sampler
from mlops_provider.runtime.tuning.study import Study

if TYPE_CHECKING:
    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_dag_factory.spec.tune import TuneSpec
    from mlops_provider.runtime.contract import Inputs, RunContext
    from mlops_provider.runtime.training_data import TrainingData
    from mlops_provider.runtime.tuning.trial import Proposal

_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Idle(Enum):
    """Why a worker has nothing to do."""

    NONE_LEFT = "every trial has an end"
    OTHERS_WORK = "others run what is left"
    MORE_LATER = "what is next depends on what others run"


@dataclass(frozen=True, slots=True)
class Search:
    """One search as this process sees it."""

    judge: Judge
    study: Study
    sampler: Sampler

    @classmethod
    def open(cls, config: TrainSpec, data: TrainingData, context: RunContext) -> Search:
        """Open the search of a training, or begin it."""
        tune = _tune(config)
        judge = Judge.of(config, tune, data, context)
        sampler = make_sampler(tune, judge)
        about = {
            "config": config.model_dump(mode="json", exclude_defaults=True),
            "data": data.ref.to_dict(),
            "metric": judge.goal.metric,
            "lower_is_better": judge.goal.lower,
            "trials": sampler.size,
            "folds": len(judge.folds),
        }
        return cls(judge, Study.open(context.store(), study_key(config, data, context), about), sampler)

    @property
    def ends(self) -> float:
        """When no trial starts any more, in seconds since 1970."""
        limit = self.judge.tune.timeout
        return self.study.began + limit.total_seconds() if limit else float("inf")

    def again(self) -> Search:
        """Give the same search for another thread."""
        return replace(self, study=replace(self.study, known={}))

    def next(self, worker: str, *, begun: bool = False) -> tuple[int, Proposal] | Idle:
        """Take a trial, or say why there is none; `begun` takes only what others began."""
        claims, done = self.study.claims(), self.study.trials()
        running = self.study.running(claims)
        idle = Idle.NONE_LEFT
        for number in range(self.sampler.size):
            taken = claims.get(number, 0)
            if number in done or (begun and not taken):
                continue
            proposal = self.sampler.propose(number, done, running) if not taken else None
            if isinstance(proposal, Wait):
                return Idle.MORE_LATER
            if isinstance(proposal, Nothing):
                continue
            claimed = self.study.claim(number, taken, worker, proposal)
            if claimed is not None:
                return number, claimed
            idle = Idle.OTHERS_WORK
        return idle

    def work(self, *, stay: bool, parent: int = 0, begun: bool = False, share: bool = True) -> int:
        """Run trials until none is left; give how many.

        `stay` waits for the trials of others, too, and runs those of the dead; `share` leaves processors to the other
        workers on this machine.
        """
        count, pause = 0, _PAUSE
        progress = Progress(self.judge.goal, self.sampler.size)
        with Worker(self.study.store, self.study.key, parent=parent) as worker:
            while time.time() < self.ends and not worker.orphaned:
                found = self.next(worker.name, begun=begun)
                if found is Idle.NONE_LEFT or (found is Idle.OTHERS_WORK and not stay):
                    break
                if isinstance(found, Idle):
                    time.sleep(pause)
                    pause = min(_LONGEST_PAUSE, pause * 1.5)
                    continue
                pause = _PAUSE
                with worker.own_share() if share else nullcontext():
                    trial = self.judge.run(*found, before=self.study.known.values())
                self.study.finish(replace(trial, worker=worker.name))
                count += 1
                progress.say(trial, self.study.trials())
        return count


def find(config: TrainSpec, data: TrainingData, context: RunContext) -> Found:
    """Search, or go on with a search that was cut short, and give the best trial; DataError where all failed."""
    search = Search.open(config, data, context)
    tune = search.judge.tune
    if tune.trials == "inline" and tune.workers > 1:
        from mlops_provider.runtime.tuning.workers import work_at_once

        work_at_once(search, tune, min(tune.workers, search.sampler.size))
    search.work(stay=True)
    trials = list(search.study.trials().values())
    goal = search.judge.goal
    best = goal.best(trials)
    search.study.close()
    log_trials(context, goal, trials, search.study.key)
    if best is None:
        why = reasons(trials) or "none was finished before the timeout"
        raise DataError(f"none of {len(trials)} trials gave a model: {why}", hint="look at 'space' and the data")
    return Found(
        parameters={**config.parameters, **best.parameters},
        goal=goal,
        best=best,
        trials=trials,
        key=search.study.key,
        wanted=search.sampler.size,
    )


def search(config: TrainSpec, data: TrainingData, context: RunContext) -> dict[str, Any]:
    """Give the parameters of a training after its search."""
    return find(config, data, context).parameters


def work(config: TrainSpec, inputs: Inputs, context: RunContext) -> int:
    """Run trials of a search that others share until none is left; give how many."""
    data = read_training_data(config, inputs, context)
    return Search.open(config, data, context).work(stay=False)


def study_key(config: TrainSpec, data: TrainingData, context: RunContext) -> str:
    """Give the key of a search in the store: equal for equal trials, wherever and by however many they are run."""
    tune = _tune(config).model_copy(update={"trials": "inline", "workers": 1, "backend": "loky", "timeout": None})
    same = config.model_copy(update={"tune": tune, "title": "", "description": ""})
    outside = outside_of(config, context)
    if tune.search == "optuna":
        outside = outside._replace(state={**outside.state, "optuna": version("optuna")})
    key = content_key(same, inputs_of(data), replace(context, phase_type="train"), outside)
    return f"{context.workflow}/tuning/{key[:20]}"


def inputs_of(data: TrainingData) -> Inputs:
    """Give the references that some data was read from."""
    refs: Inputs = {"data": [data.ref]}
    return refs | ({"validation": [data.validation.ref]} if data.validation is not None else {})


def _tune(config: TrainSpec) -> TuneSpec:
    if config.tune is None:
        raise ValueError("there is nothing to search: the training has no 'tune'")
    return config.tune
