"""Early stopping, by what an estimator has for it: its own share of the rows, rows that judge, or an eval set."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.runtime.training_data import TrainingData

_ROUNDS, _SHARE = 10, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How a training ends early: parameters to set, and how `fit` takes the rows that judge."""

    parameters: dict[str, Any] = field(default_factory=dict)
    judged_by: Literal["", "X_val", "eval_set"] = ""
    callback_after: int = 0
    note: str = ""


def rounds_of(estimator: Any, config: TrainSpec, given: Collection[str], name: str, *, has_validation: bool) -> Rounds:
    """Give what early stopping means for an estimator; ConfigError where it has none. `given` parameters stay."""
    stopping = config.early_stopping
    if stopping is False:
        return Rounds()
    rounds = _ROUNDS if stopping is True else stopping.rounds
    share = _SHARE if stopping is True else stopping.share
    known, taken = estimator.get_params(), set(inspect.signature(estimator.fit).parameters)
    if "eval_set" in taken:
        if "early_stopping_rounds" in known:  # XGBoost and CatBoost
            return Rounds(parameters={"early_stopping_rounds": rounds}, judged_by="eval_set")
        if "callbacks" in taken:  # LightGBM
            return Rounds(judged_by="eval_set", callback_after=rounds)
    if "n_iter_no_change" not in known:
        raise ConfigError(
            f"'{name}' has no early stopping",
            hint="take one that goes round by round, as sklearn.ensemble.HistGradientBoostingClassifier",
        )
    wanted = {"early_stopping": True, "n_iter_no_change": rounds, "validation_fraction": share}
    judged_by: Literal["", "X_val"] = "X_val" if has_validation and "X_val" in taken else ""
    note = ""
    if has_validation and not judged_by:
        note = f"'{name}' takes no rows that judge its rounds: a share of 'data' did, not 'validation'"
    parameters = {key: value for key, value in wanted.items() if key in known and key not in given}
    return Rounds(parameters=parameters, judged_by=judged_by, note=note)


def judges_of(data: TrainingData, config: TrainSpec, *, classifies: bool) -> tuple[TrainingData, TrainingData]:
    """Divide rows into those that are learned from and those that judge: the validation data, or a share.

    The share is the last rows where a timestamp orders them, whole queries of a ranking, else drawn by the seed.
    """
    import numpy as np

    if data.validation is not None:
        return data, data.validation
    share = config.early_stopping.share if not isinstance(config.early_stopping, bool) else _SHARE
    count, judging = len(data.frame), max(1, round(share * len(data.frame)))
    if data.timestamp:
        return data.take(np.arange(count - judging)), data.take(np.arange(count - judging, count))
    if data.query:
        queries = data.frame[data.query]
        every = queries.unique()
        drawn = np.random.default_rng(config.seed).permutation(len(every))[: max(1, round(share * len(every)))]
        judges = queries.isin(every[drawn]).to_numpy()
        return data.take(np.flatnonzero(~judges)), data.take(np.flatnonzero(judges))
    learn, judge = _drawn(data, judging, config.seed, classifies=classifies)
    return data.take(learn), data.take(judge)


def _drawn(
    data: TrainingData, judging: int, seed: int, *, classifies: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Draw rows, with the shares of the classes where each has rows for both sides."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(data.frame))
    by_class = data.target if classifies and len(data.targets) == 1 else None
    if by_class is not None:
        counts = by_class.value_counts()
        if counts.min() < 2 or len(counts) > min(judging, len(rows) - judging):  # noqa: PLR2004 (one for each side)
            by_class = None
    learn, judge = train_test_split(rows, test_size=judging, random_state=seed, stratify=by_class)
    return np.sort(learn), np.sort(judge)
