"""Fit one model: an estimator with its preprocessing, or whatever a function of the workflow gives."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.imports import import_allowed
from mlops_provider.runtime.preprocess import column_type, make_pipeline
from mlops_provider.runtime.training.checks import check_known_classes
from mlops_provider.runtime.training.construct import construct
from mlops_provider.runtime.training.function import fit_by_function
from mlops_provider.runtime.training.progress import Progress
from mlops_provider.runtime.training.rounds import Rounds, judges_of, rounds_of
from mlops_provider.runtime.training.seeds import seeded
from mlops_provider.runtime.training.weights import class_weights, row_weights

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


def fit(
    config: TrainSpec,
    data: TrainingData,
    context: RunContext,
    parameters: Mapping[str, Any],
    progress: Progress | None = None,
) -> Fitted:
    """Fit with some parameters in the place of the config's; `progress` is told how far it is."""
    if config.python:
        return fit_function(config, data, context, parameters, progress)
    name = config.estimator or ""
    estimator = make_estimator(config, context, parameters)
    classifies = is_classifier(estimator)
    _check_kind(data, name, classifies=classifies)
    if classifies:
        check_known_classes(data)
    rounds = rounds_of(estimator, config, parameters, name, has_validation=data.validation is not None)
    estimator.set_params(**rounds.parameters)
    data = _weighted(estimator, config, data, name, classifies=classifies)
    if data.task == "multilabel":
        estimator = _for_labels(estimator, name, rounds)
    pipeline = make_pipeline(
        estimator, data.features, config.preprocess, allowed_imports=context.allowed_imports, seed=config.seed
    )
    judges = None
    if rounds.judged_by:
        data, judges = judges_of(data, config, classifies=classifies)
    with seeded(config.seed):
        notes = _fit(pipeline, data, judges, rounds, name, progress)
    return Fitted(pipeline, [*data.notes, *([rounds.note] if rounds.note else []), *notes])


def fit_function(
    config: TrainSpec,
    data: TrainingData,
    context: RunContext,
    parameters: Mapping[str, Any],
    progress: Progress | None = None,
) -> Fitted:
    """Let a function of the workflow fit."""
    weights = data.weights
    if config.class_weight is not None:
        by_class = row_weights(class_weights(config.class_weight, _one_target(data)), data.target)
        weights = by_class if weights is None else weights * by_class
    model = fit_by_function(config, data, context, parameters, weights=weights, progress=progress or Progress())
    return Fitted(model, list(data.notes))


def make_estimator(config: TrainSpec, context: RunContext, parameters: Mapping[str, Any]) -> Any:
    """Make the estimator with its parameters and seed."""
    name = config.estimator or ""
    cls = import_allowed(name, context.allowed_imports)
    if not (isinstance(cls, type) and hasattr(cls, "fit") and hasattr(cls, "get_params")):
        raise ConfigError(f"'{name}' is not an estimator", hint="name a class with fit, predict and get_params")
    estimator = construct(cls, name, parameters, config.seed, wants=("fit",))
    scores = config.task == "ranking" and "group" in inspect.signature(estimator.fit).parameters
    if not hasattr(cls, "predict") or not (is_classifier(estimator) or _is_regressor(estimator) or scores):
        raise ConfigError(f"'{name}' is neither a classifier nor a regressor")
    return estimator


def is_classifier(model: Any) -> bool:
    """Say whether a model gives classes."""
    from sklearn.base import is_classifier

    return bool(is_classifier(model)) if hasattr(model, "__sklearn_tags__") else hasattr(model, "classes_")


def _is_regressor(model: Any) -> bool:
    from sklearn.base import is_regressor

    return bool(is_regressor(model)) if hasattr(model, "__sklearn_tags__") else not hasattr(model, "classes_")


def _check_kind(data: TrainingData, name: str, *, classifies: bool) -> None:
    """Refuse a task or a target that the estimator is not for."""
    classes = {"classification": True, "multilabel": True}.get(data.task or "", False)
    if data.task is not None and classes != classifies:
        what, wanted = ("classifier", "regressor") if classifies else ("regressor", "classifier")
        raise ConfigError(f"'{name}' is a {what}, but {data.task} needs a {wanted}")
    if data.task == "multilabel":
        return
    target: pd.Series[Any] = data.target
    kind = column_type(target)
    if classifies and kind == "float" and not (target == target.round()).all():
        raise DataError(f"the target '{target.name}' holds fractions, but the estimator is a classifier")
    if kind == "timestamp" or (not classifies and kind in {"string", "boolean"}):
        what = "classifier" if classifies else "regressor"
        raise DataError(f"the target '{target.name}' is {kind}, but the estimator is a {what}")


def _one_target(data: TrainingData) -> pd.Series[Any]:
    if len(data.targets) > 1:
        raise ConfigError("'class_weight' by class does not go with several targets", hint="write balanced")
    return data.target  # type: ignore[no-any-return]


def _weighted(estimator: Any, config: TrainSpec, data: TrainingData, name: str, *, classifies: bool) -> TrainingData:
    """Give class weights to the estimator, or to the rows where it has no parameter for them."""
    asked = config.class_weight
    if asked is not None and not classifies:
        raise ConfigError(f"'class_weight' is for classifiers, '{name}' is a regressor", hint="use 'sample_weight'")
    if asked is not None and len(data.targets) > 1 and asked != "balanced":
        _one_target(data)
    if asked is not None and "class_weight" in estimator.get_params():
        weights = asked if isinstance(asked, str) else class_weights(asked, _one_target(data))
        estimator.set_params(class_weight=weights)
    elif asked is not None:
        by_class = row_weights(class_weights(asked, _one_target(data)), data.target)
        data = replace(data, weights=by_class if data.weights is None else data.weights * by_class)
    if data.weights is not None and "sample_weight" not in inspect.signature(estimator.fit).parameters:
        key = "sample_weight" if config.sample_weight else "class_weight"
        raise ConfigError(f"'{name}' takes no weights of rows", hint=f"leave '{key}' out or take another estimator")
    return data


def _for_labels(estimator: Any, name: str, rounds: Rounds) -> Any:
    """Give an estimator that answers several labels: itself, or one of it for each label."""
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.utils import get_tags

    tags = get_tags(estimator).classifier_tags
    if tags is not None and tags.multi_label:
        return estimator
    if rounds.judged_by:
        raise ConfigError(f"'{name}' learns one label at a time: early stopping by rows that judge does not go with it")
    return MultiOutputClassifier(estimator)


def _fit(
    pipeline: Any,
    data: TrainingData,
    judges: TrainingData | None,
    rounds: Rounds,
    name: str,
    progress: Progress | None,
) -> list[str]:
    """Fit preprocessing, then estimator, so that only the latter sees weights and the rows that judge."""
    *before, (_, estimator) = pipeline.steps
    given: dict[str, Any] = {} if data.weights is None else {"sample_weight": data.weights}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            rows, target = data.inputs, data.target
            for _, step in before:
                rows = step.fit_transform(rows, target)
            if "group" in inspect.signature(estimator.fit).parameters:
                given["group"] = _group_sizes(data)
            if judges is not None:
                given |= _judging(before, judges, rounds)
            if progress is None:
                estimator.fit(rows, target, **given, **_callbacks(rounds, {}))
            else:
                with progress.following(estimator) as told:
                    estimator.fit(rows, target, **given, **_callbacks(rounds, told))
        except (OSError, MemoryError):
            raise
        except Exception as err:
            raise DataError(f"{name} cannot be fitted: {' '.join(str(err).split())[:600]}") from err
    return sorted({" ".join(str(warning.message).split())[:300] for warning in caught})


def _judging(before: list[Any], judges: TrainingData, rounds: Rounds) -> dict[str, Any]:
    """Give the rows that judge in the way that `fit` takes them."""
    rows = judges.inputs
    for _, step in before:
        rows = step.transform(rows)
    if rounds.judged_by == "X_val":
        return {"X_val": rows, "y_val": judges.target}
    given: dict[str, Any] = {"eval_set": [(rows, judges.target)]}
    return given | ({"eval_group": [_group_sizes(judges)]} if judges.query else {})


def _group_sizes(data: TrainingData) -> Any:
    """Give how many rows each query has; equal queries stand together."""
    return data.frame.groupby(data.query, sort=False).size().to_numpy()


def _callbacks(rounds: Rounds, told: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments that follow the rounds, with LightGBM's early stopping where it is wanted."""
    if not rounds.callback_after:
        return dict(told)
    from lightgbm import early_stopping

    return {"callbacks": [early_stopping(rounds.callback_after, verbose=False), *told.get("callbacks", [])]}
