"""A model taken apart: its preprocessing, its estimator, and the column that each prepared number comes from."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import LoadedModel

    Array = np.ndarray[Any, Any]

_LINEAR = frozenset({
    "LogisticRegression", "LogisticRegressionCV", "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV",
    "ElasticNet", "ElasticNetCV", "LinearSVR", "HuberRegressor", "SGDRegressor", "BayesianRidge", "Lars", "LassoLars",
})  # fmt: skip
"""Estimators whose output, or its logarithm of odds, is a sum over the columns."""
_TREES = ("Tree", "Forest", "Boost", "LGBM", "XGB", "CatBoost")


@dataclass(frozen=True, slots=True)
class Parts:
    """The steps before the estimator, the estimator, and for each of its inputs the index of the raw column."""

    steps: tuple[Any, ...]
    estimator: Any
    owners: tuple[int, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """The exact explainers that may know the estimator."""
        name = type(self.estimator).__name__
        if name in _LINEAR:
            return ("linear",)
        return ("tree",) if any(word in name for word in _TREES) else ()

    def prepare(self, inputs: pd.DataFrame) -> Any:
        """Give what the estimator gets of raw columns."""
        import numpy as np

        found: Any = inputs
        for step in self.steps:
            found = step.transform(found)
        return np.asarray(found, dtype=float)

    def margin(self, inputs: pd.DataFrame) -> Array | None:
        """Give what a classifier computes before it makes probabilities of it; None where it does not say."""
        prepared: Any = inputs
        for step in self.steps:
            prepared = step.transform(prepared)
        if hasattr(self.estimator, "decision_function"):
            return self.estimator.decision_function(prepared)  # type: ignore[no-any-return]
        try:
            return self.estimator.predict(prepared, raw_score=True)  # type: ignore[no-any-return]
        except (TypeError, ValueError):
            return None


def take_apart(model: LoadedModel) -> Parts | None:
    """Take a pipeline apart; None where an exact explainer does not know the model or columns cannot be followed."""
    from sklearn.pipeline import Pipeline

    names = model.signature.names()
    if not isinstance(model.pipeline, Pipeline):
        return None
    steps = tuple(step for _, step in model.pipeline.steps[:-1] if step not in {None, "passthrough"})
    followed: list[str] | None = names
    for step in steps:
        followed = _follow(step, followed) if followed is not None else None
    if followed is None or not set(followed) <= set(names):
        return None
    parts = Parts(steps, model.pipeline.steps[-1][1], tuple(names.index(name) for name in followed))
    return parts if parts.methods else None


def _follow(step: Any, names: Sequence[str]) -> list[str] | None:
    """Give for each number that a step makes the name of the raw column that it is made of; None where it says not."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    if isinstance(step, str):
        return list(names) if step == "passthrough" else []
    if isinstance(step, Pipeline):
        found: list[str] | None = list(names)
        for _, inner in step.steps:
            found = _follow(inner, found) if found is not None else None
        return found
    if isinstance(step, ColumnTransformer):
        return _follow_columns(step, names)
    if isinstance(step, OneHotEncoder):  # its names cannot be taken apart: 'a_b' is b of a, or a column
        step = copy(step).set_params(feature_name_combiner=lambda name, _category: name)
    if not hasattr(step, "get_feature_names_out"):
        return None
    try:
        return [str(name) for name in step.get_feature_names_out(names)]
    except (ValueError, AttributeError, NotImplementedError):
        return None


def _follow_columns(step: Any, names: Sequence[str]) -> list[str] | None:
    found: list[str] = []
    for _, transformer, columns in step.transformers_:
        chosen = [columns] if isinstance(columns, str) else list(columns)
        if any(isinstance(name, bool) for name in chosen):  # a mask
            return None
        chosen = [name if isinstance(name, str) else names[name] for name in chosen]
        made = _follow(transformer, chosen) if chosen else []
        if made is None:
            return None
        found += made
    return found
