"""The rows that trials learn from and those that judge them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.runtime.training_data import TrainingData

    Rows = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of rows to learn from, and the rows that judge."""

    train: Rows
    judge: pd.DataFrame


def folds(config: TrainSpec, data: TrainingData, task: str, cv: int) -> list[Fold]:
    """Give the folds: stratified by class, whole queries, ever longer pasts of a forecast, else shuffled by the seed.

    Rows that were given to judge (`validation`) are the one fold. DataError where there are too few rows.
    """
    import numpy as np

    if data.validation is not None and len(data.validation.frame):
        return [Fold(np.arange(len(data.frame)), data.validation.frame)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # rare classes: a trial says when a fold has too few of them
            return [Fold(train, data.frame.iloc[judge]) for train, judge in _split(config, data, task, cv)]
    except ValueError as err:
        raise DataError(f"{len(data.frame)} rows do not make {cv} folds: {err}", hint="set a smaller 'cv'") from err


def some(fold: Fold, config: TrainSpec, data: TrainingData, task: str, rows: int | None) -> Rows:
    """Give a fold's share of so many rows: the latest of a forecast, query by query, else drawn by the seed."""
    import numpy as np

    if rows is None or rows >= len(data.frame):
        return fold.train
    wanted = max(1, round(len(fold.train) * rows / len(data.frame)))
    if task == "forecasting":
        return fold.train[-wanted:]
    shuffled = np.random.default_rng(config.seed).permutation(fold.train)
    if task == "ranking" and config.query:
        queries = data.frame[config.query].to_numpy()
        order = {query: place for place, query in enumerate(dict.fromkeys(queries[shuffled].tolist()))}
        shuffled = np.array(sorted(fold.train, key=lambda row: (order[queries[row]], row)))
        return shuffled[:wanted]
    if task == "classification":
        return _of_each_class(shuffled, data.target.to_numpy()[shuffled], wanted)
    return shuffled[:wanted]


def _split(config: TrainSpec, data: TrainingData, task: str, cv: int) -> Any:
    import numpy as np
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

    rows = np.arange(len(data.frame))
    if task == "forecasting" and config.timestamp:
        order = np.argsort(data.frame[config.timestamp].to_numpy(), kind="stable")
        return [(order[train], order[judge]) for train, judge in TimeSeriesSplit(cv).split(rows)]
    if task == "ranking" and config.query:
        return GroupKFold(cv).split(rows, groups=data.frame[config.query].to_numpy())
    if task == "classification":
        return StratifiedKFold(cv, shuffle=True, random_state=config.seed).split(rows, data.target.to_numpy())
    return KFold(cv, shuffle=True, random_state=config.seed).split(rows)


def _of_each_class(rows: Rows, target: Rows, wanted: int) -> Rows:
    """Take rows of every class in turn, by their share: at least one of each."""
    import numpy as np

    share = wanted / len(rows)
    taken = [
        found[: max(1, round(len(found) * share))] for found in (rows[target == label] for label in np.unique(target))
    ]
    return np.concatenate(taken)
