"""What a training learns from: features, target, and the rows that judge it, checked before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.contract import Inputs, RunContext, one
from mlops_provider.runtime.preprocess import NUMBERS, declared_columns, features_of
from mlops_provider.runtime.sql import require_columns
from mlops_provider.runtime.table import read_frame
from mlops_provider.runtime.training import checks
from mlops_provider.runtime.training.weights import sample_weights

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.store.models import Feature, Task
    from mlops_provider.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Rows to learn from, and the rows that judge, where there are any.

    `frame` has the features first, in the model's order, then the target, then the columns that group or order rows.
    `weights` is the weight of each row (n), or None; `task` is what the workflow says, None where the estimator
    decides; `notes` are what people should know about the data.
    """

    ref: DatasetRef
    frame: pd.DataFrame
    features: tuple[Feature, ...]
    targets: tuple[str, ...]
    task: Task | None = None
    query: str = ""
    timestamp: str = ""
    season: int = 1
    weights: np.ndarray[Any, Any] | None = None
    notes: tuple[str, ...] = ()
    validation: Self | None = None

    @property
    def names(self) -> list[str]:
        """The features, in the model's order."""
        return [feature.name for feature in self.features]

    @property
    def inputs(self) -> pd.DataFrame:
        """The columns to learn from (n x features): a view of the frame, not a copy."""
        return self.frame.iloc[:, : len(self.features)]

    @property
    def target(self) -> Any:
        """The target: a column, or a frame (n x labels) of several."""
        return self.frame[self.targets[0]] if len(self.targets) == 1 else self.frame[list(self.targets)]

    def take(self, rows: np.ndarray[Any, Any]) -> Self:
        """Give some of the rows, by position."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, frame=self.frame.iloc[rows], weights=weights)


def read_training_data(config: TrainSpec, inputs: Inputs, context: RunContext) -> TrainingData:
    """Read the data of a training, only its columns; DataError says what of it nothing can be learned from."""
    store = context.store()
    data: DatasetRef = one(inputs, "data", DatasetRef)
    names = feature_names(config, _columns(store, data, config, "the training data"))
    frame, weights = _read(config, store, data, names, "the training data")
    features = features_of(frame, names)
    declared = declared_columns(config.preprocess)
    checks.check_targets(frame, config.target, "the training data")
    checks.check_features(frame, features, config.target, declared)
    found = TrainingData(
        ref=data,
        frame=frame,
        features=features,
        targets=tuple(config.target),
        task=said_task(config),
        query=config.query or "",
        timestamp=config.timestamp or "",
        season=config.season,
        weights=weights,
        notes=tuple(checks.notes_on(frame, features)),
    )
    if not inputs.get("validation"):
        return found
    return replace(found, validation=_read_validation(config, store, one(inputs, "validation", DatasetRef), found))


def said_task(config: TrainSpec) -> Task | None:
    """Give the task that the workflow says; None where the estimator decides between classes and numbers."""
    if config.task is not None:
        return config.task
    if config.query is not None:
        return "ranking"
    return "multilabel" if len(config.target) > 1 else None


def feature_names(config: TrainSpec, columns: list[str]) -> list[str]:
    """Give the columns to learn from."""
    dropped = {name for name, steps in declared_columns(config.preprocess).items() if steps == "drop"}
    others = {"sample_weight": config.sample_weight, "query": config.query, "timestamp": config.timestamp}
    roles = {name: role for role, name in others.items() if name is not None}
    _require(columns, [*config.target, *config.features, *roles, *declared_columns(config.preprocess)])
    apart = {*config.target, *config.exclude, *roles, *dropped}
    names = [name for name in config.features if name not in dropped] or [n for n in columns if n not in apart]
    for kind, listed in (("target", config.target), ("features", config.features)):
        if twice := sorted({name for name in listed if listed.count(name) > 1}):
            raise ConfigError(f"'{kind}' names {', '.join(twice)} more than once")
    if seen := [name for name in config.target if name in names]:
        raise ConfigError(f"the target '{seen[0]}' is among the features: the model would see the answer")
    for name in names:
        if name in roles:
            raise ConfigError(f"'{name}' is '{roles[name]}' and no feature", hint="take it from 'features'")
    if not names:
        raise DataError("the training data has no column but the target")
    return names


def _require(columns: list[str], wanted: list[str]) -> None:
    """Raise DataError for the first column that is missing, with the one that was meant."""
    for name in wanted:
        close = get_close_matches(name, columns, n=1) if name not in columns else []
        if close:
            raise DataError(f"the training data has no column '{name}'", hint=f"did you mean '{close[0]}'?")
    require_columns(columns, wanted, "the training data")


def _columns(store: Store, ref: DatasetRef, config: TrainSpec, where: str) -> list[str]:
    if ref.rows == 0:
        raise DataError(f"{where} has no rows")
    columns = [str(column["name"]) for column in store.open(ref).meta["columns"]]
    require_columns(columns, config.target, where)
    return columns


def _read(
    config: TrainSpec, store: Store, ref: DatasetRef, names: list[str], where: str
) -> tuple[pd.DataFrame, np.ndarray[Any, Any] | None]:
    """Give the rows (features first) and their weights, in the order that the task wants."""
    order = [name for name in (config.timestamp, config.query) if name is not None]
    weight = [config.sample_weight] if config.sample_weight else []
    wanted = list(dict.fromkeys([*names, *config.target, *order, *weight]))
    frame = read_frame(store, ref, wanted)
    if frame.empty:
        raise DataError(f"{where} has no rows")
    for name in order:
        if missing := int(frame[name].isna().sum()):
            raise DataError(f"'{name}' is missing in {missing} of {len(frame)} rows of {where}")
    if order:
        frame = frame.sort_values(order[0], kind="stable", ignore_index=True)
    weights = sample_weights(frame, config.sample_weight, where) if config.sample_weight else None
    if config.sample_weight:
        frame = frame.drop(columns=config.sample_weight)
    if len(config.target) > 1:
        checks.check_labels(frame, config.target, where)
        frame = frame.astype(dict.fromkeys(config.target, "int64"))
    return frame, weights


def _read_validation(config: TrainSpec, store: Store, ref: DatasetRef, data: TrainingData) -> TrainingData:
    where = "the validation data"
    require_columns(_columns(store, ref, config, where), data.names, where)
    frame, weights = _read(config, store, ref, data.names, where)
    checks.check_targets(frame, config.target, where, may_be_constant=True)
    found = features_of(frame, data.names)
    for feature, expected in zip(found, data.features, strict=True):
        numbers = {feature.type, expected.type} <= NUMBERS
        if not (numbers or feature.type == expected.type or frame[feature.name].isna().all()):
            raise DataError(f"'{feature.name}' is {feature.type} in {where}, but {expected.type} in the training data")
    checks.check_infinite(frame, found, config.target, where)
    return replace(data, ref=ref, frame=frame, weights=weights, notes=(), validation=None)
