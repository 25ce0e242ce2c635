"""What a training learns from: features, target, and the rows that judge it, checked before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.contract import Inputs, RunContext, one
from mlops_provider.runtime.preprocess import features_of
from mlops_provider.runtime.sql import require_columns
from mlops_provider.runtime.table import read_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.store.models import Feature


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Rows to learn from: `frame` has features and target; `validation` are rows that judge, where there are any."""

    ref: DatasetRef
    frame: pd.DataFrame
    features: tuple[Feature, ...]
    targets: tuple[str, ...]
    validation: Self | None = None

    @property
    def names(self) -> list[str]:
        """The features, in the model's order."""
        return [feature.name for feature in self.features]

    @property
    def inputs(self) -> pd.DataFrame:
        """The columns to learn from (n x features)."""
        return self.frame[self.names]

    @property
    def target(self) -> Any:
        """The target: a column, or a frame (n x labels) of several."""
        return self.frame[self.targets[0]] if len(self.targets) == 1 else self.frame[list(self.targets)]

    def take(self, rows: np.ndarray[Any, Any]) -> Self:
        """Give some of the rows, by position."""
        return replace(self, frame=self.frame.iloc[rows])


def read_training_data(config: TrainSpec, inputs: Inputs, context: RunContext) -> TrainingData:
    """Read the data of a training; DataError says what of it nothing can be learned from."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    frame = read_frame(context.store(), data)
    names = feature_names(config, list(frame.columns))
    for name in config.target:
        _check_target(frame, name)
    features = features_of(frame, names)
    dates = [feature.name for feature in features if feature.type == "timestamp"]
    if dates:
        raise DataError(
            f"columns {', '.join(dates)} are timestamps", hint="put them in 'exclude', or derive numbers first"
        )
    return TrainingData(ref=data, frame=frame, features=features, targets=tuple(config.target))


def feature_names(config: TrainSpec, columns: list[str]) -> list[str]:
    """Give the columns to learn from."""
    require_columns(columns, [*config.target, *config.features], "the training data")
    names = config.features or [name for name in columns if name not in {*config.target, *config.exclude}]
    seen = [name for name in config.target if name in names]
    if seen:
        raise ConfigError(f"the target '{seen[0]}' is among the features: the model would see the answer")
    if not names:
        raise DataError("the training data has no column but the target")
    return list(names)


def _check_target(frame: pd.DataFrame, name: str) -> None:
    target = frame[name]
    missing = int(target.isna().sum())
    if missing:
        raise DataError(
            f"the target '{name}' is missing in {missing} of {len(frame)} rows", hint="drop them with a transform"
        )
    if target.nunique() < 2:  # noqa: PLR2004 (one value is constant)
        raise DataError(
            f"the target '{name}' is constant: every row says '{target.iloc[0]}'", hint="there is nothing to learn"
        )
