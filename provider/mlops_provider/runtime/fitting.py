"""Fit one model: an estimator with its preprocessing, or whatever a function of the workflow gives."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.imports import import_allowed
from mlops_provider.runtime.preprocess import column_type, make_pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.training_data import TrainingData


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that was fitted, and what the libraries warned of meanwhile."""

    model: Any
    notes: list[str]


def fit(config: TrainSpec, data: TrainingData, context: RunContext, parameters: Mapping[str, Any]) -> Fitted:
    """Fit with some parameters in the place of the config's."""
    if config.python:
        return Fitted(_fit_by_function(config, data, context, parameters), [])
    estimator = make_estimator(config, context, parameters)
    _check_kind(data.target, classifies=is_classifier(estimator))
    model = make_pipeline(estimator, data.features, config.preprocess)
    return Fitted(model, _fit(model, data, config.estimator or ""))


def make_estimator(config: TrainSpec, context: RunContext, parameters: Mapping[str, Any]) -> Any:
    """Make the estimator with its parameters and seed."""
    cls = import_allowed(config.estimator or "", context.allowed_imports)
    if not (isinstance(cls, type) and hasattr(cls, "fit") and hasattr(cls, "get_params")):
        raise ConfigError(f"'{config.estimator}' is not an estimator", hint="name a class with fit and get_params")
    allowed = cls._get_param_names()  # type: ignore[attr-defined]
    unknown = sorted(set(parameters) - set(allowed))
    if unknown:
        raise ConfigError(
            f"'{config.estimator}' has no parameter {', '.join(unknown)}", hint=f"allowed: {', '.join(allowed)}"
        )
    seed = {"random_state": config.seed} if "random_state" in allowed and "random_state" not in parameters else {}
    try:
        estimator = cls(**parameters, **seed)
    except (TypeError, ValueError) as err:
        raise ConfigError(f"'{config.estimator}' cannot be made: {err}", hint="give its 'parameters'") from err
    if not hasattr(cls, "predict") or not (is_classifier(estimator) or _is_regressor(estimator)):
        raise ConfigError(f"'{config.estimator}' is neither a classifier nor a regressor")
    return estimator


def is_classifier(model: Any) -> bool:
    """Say whether a model gives classes."""
    from sklearn.base import is_classifier

    return bool(is_classifier(model)) if hasattr(model, "__sklearn_tags__") else hasattr(model, "classes_")


def _is_regressor(model: Any) -> bool:
    from sklearn.base import is_regressor

    return bool(is_regressor(model)) if hasattr(model, "__sklearn_tags__") else not hasattr(model, "classes_")


def _check_kind(target: pd.Series[Any], *, classifies: bool) -> None:
    kind = column_type(target)
    if classifies and kind == "float" and not (target == target.round()).all():
        raise DataError(f"the target '{target.name}' holds fractions, but the estimator is a classifier")
    if kind == "timestamp" or (not classifies and kind in {"string", "boolean"}):
        what = "classifier" if classifies else "regressor"
        raise DataError(f"the target '{target.name}' is {kind}, but the estimator is a {what}")


def _fit(model: Any, data: TrainingData, name: str) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(data.inputs, data.target)
        except (ValueError, TypeError) as err:
            raise DataError(f"{name} cannot be fitted: {' '.join(str(err).split())[:600]}") from err
    return sorted({" ".join(str(warning.message).split())[:300] for warning in caught})


def _fit_by_function(config: TrainSpec, data: TrainingData, context: RunContext, parameters: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    function = import_allowed(config.python or "", context.allowed_imports)
    table = pa.Table.from_pandas(data.frame, preserve_index=False)
    model = function(table, target=data.targets[0], features=data.names, parameters=dict(parameters), seed=config.seed)
    if not hasattr(model, "predict"):
        raise ConfigError(f"'{config.python}' returned {type(model).__name__}, which cannot predict")
    return model
