"""Run one trial: fit on each fold, measure as the evaluation does, give up what is worse than most."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError, MlopsError, StoreError
from mlops_provider.runtime import metrics
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.fitting import fit, is_classifier, make_estimator
from mlops_provider.runtime.preprocess import column_type
from mlops_provider.runtime.signature import signature_of
from mlops_provider.runtime.tuning.folds import folds, some
from mlops_provider.runtime.tuning.trial import Goal, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_dag_factory.spec.tune import TuneSpec
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.training_data import TrainingData
    from mlops_provider.runtime.tuning.folds import Fold
    from mlops_provider.runtime.tuning.trial import Proposal
    from mlops_provider.store.models import Signature

LEAST_TRIALS = 5
"""So many trials finish before one may be given up, as in Optuna's MedianPruner."""
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Judge:
    """What runs the trials of one training."""

    config: TrainSpec
    tune: TuneSpec
    data: TrainingData
    context: RunContext
    task: str
    goal: Goal
    folds: list[Fold]

    @classmethod
    def of(cls, config: TrainSpec, tune: TuneSpec, data: TrainingData, context: RunContext) -> Judge:
        """Look at the data and make the folds."""
        task = task_of(config, data, context)
        metric = tune.scoring or metrics.deciding(task)
        metrics.find(_kind(task, data), metric)
        return cls(config, tune, data, context, task, Goal(metric), folds(config, data, task, tune.cv))

    def run(self, number: int, proposal: Proposal, before: Iterable[Trial]) -> Trial:
        """Run a trial; whatever it raises but failures of the store is its end and on record."""
        began, watch = time.time(), time.monotonic()
        scores: list[float] = []
        trial = Trial(
            number=number,
            parameters=proposal.parameters,
            rows=proposal.rows,
            rung=proposal.rung,
            state="finished",
            started=began,
            run_id=self.context.run_id,
        )
        earlier = [one for one in before if one.state == "finished" and one.rung == proposal.rung]
        try:
            for fold in self.folds:
                scores.append(self._score(fold, proposal))
                if self.tune.pruning and len(scores) < len(self.folds) and is_hopeless(scores, earlier, self.goal):
                    trial = replace(trial, state="pruned")
                    break
        except StoreError:
            raise  # no fault of this trial: whoever goes on runs it again
        except Exception as err:  # noqa: BLE001 (whatever a model or a function raises ends this trial only)
            trial = replace(trial, state="failed", error=_reason(err))
        return replace(trial, folds=tuple(scores), seconds=round(time.monotonic() - watch, 3))

    def _score(self, fold: Fold, proposal: Proposal) -> float:
        rows = some(fold, self.config, self.data, self.task, proposal.rows)
        part = self.data.take(rows)
        fitted = fit(self.config, part, self.context, {**self.config.parameters, **proposal.parameters})
        return measure(fitted.model, part, fold.judge, self.goal.metric)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A model that was just fitted, as the evaluation asks it."""

    model: Any
    signature: Signature

    def predict(self, frame: pd.DataFrame) -> Any:
        """Predict n values, or n x labels."""
        return self.model.predict(frame[self.signature.names()])

    def probabilities(self, frame: pd.DataFrame) -> Any:
        """Give n x classes, or n x labels, or None."""
        known = hasattr(self.model, "predict_proba")
        return self.model.predict_proba(frame[self.signature.names()]) if known else None


def measure(model: Any, data: TrainingData, frame: pd.DataFrame, metric: str) -> float:
    """Give a metric of a model that was just fitted, as the evaluation names and computes it; DataError for none."""
    undefined: dict[str, str] = {}
    found = Answers.of(Fresh(model, signature_of(model, data)), frame).measure([metric], undefined)
    value = found.get(metric, math.nan)
    if not math.isfinite(value):
        raise DataError(f"{metric} is not defined: {undefined.get(metric, 'it is not a number')}")
    return float(value)


def is_hopeless(scores: Sequence[float], finished: Sequence[Trial], goal: Goal) -> bool:
    """Say whether a trial is worse than most after some folds.

    The rule is that of Optuna's MedianPruner: the best of its means so far against the median of the means that the
    finished trials had after as many folds; never before five trials finished.
    """
    if len(finished) < LEAST_TRIALS:
        return False
    means = [goal.goodness(fmean(scores[:count])) for count in range(1, len(scores) + 1)]
    others = [goal.goodness(fmean(one.folds[: len(scores)])) for one in finished if len(one.folds) >= len(scores)]
    return bool(others) and max(means) < median(others)


def task_of(config: TrainSpec, data: TrainingData, context: RunContext) -> str:
    """Give the kind of problem: what the config says, else what the estimator is, else what the target looks like."""
    if config.task:
        return config.task
    if config.query or len(data.targets) > 1:
        return "ranking" if config.query else "multilabel"
    if config.python:
        kind = column_type(data.target)
        few = kind == "integer" and data.target.nunique() <= max(2, math.isqrt(len(data.frame)))
        return "classification" if kind in {"string", "boolean"} or few else "regression"
    return "classification" if is_classifier(make_estimator(config, context, config.parameters)) else "regression"


def _reason(err: Exception) -> str:
    """Give why a trial failed in one line; of a traceback its first and its last."""
    text = err.message if isinstance(err, MlopsError) else f"{type(err).__name__}: {err}"
    first, *rest = text.strip().splitlines() or [type(err).__name__]
    return " ".join((f"{first}: {rest[-1]}" if rest else first).split())[:_LONGEST]


def _kind(task: str, data: TrainingData) -> Any:
    """Give the kind of problem as the table of metrics has it."""
    if task != "classification":
        return task
    return "binary" if data.target.nunique() == 2 else "multiclass"  # noqa: PLR2004 (two classes)


def reasons(trials: Iterable[Trial]) -> str:
    """Give why trials failed, the most frequent reasons first."""
    counts = Counter(trial.error for trial in trials if trial.state == "failed")
    return "; ".join(f"{reason} ({count} times)" if count > 1 else reason for reason, count in counts.most_common(3))
