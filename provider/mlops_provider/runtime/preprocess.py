"""Preprocessing as part of the model: one scikit-learn Pipeline that takes raw columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.exceptions import DataError
from mlops_provider.store.models import Feature, FeatureType

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.train import PreprocessSpec

_MOST_CATEGORIES = 1000
_MOST_ENCODED = 256


def features_of(frame: pd.DataFrame, names: list[str]) -> tuple[Feature, ...]:
    """Give the features of a frame with their types and, for strings and booleans, their values."""
    return tuple(Feature(name, column_type(frame[name]), _categories(frame[name])) for name in names)


def column_type(column: pd.Series[Any]) -> FeatureType:
    """Give the type of a column; DataError for what no model takes."""
    import pandas.api.types as kinds

    if kinds.is_bool_dtype(column):
        return "boolean"
    if kinds.is_integer_dtype(column):
        return "integer"
    if kinds.is_float_dtype(column):
        return "float"
    if kinds.is_datetime64_any_dtype(column):
        return "timestamp"
    found = kinds.infer_dtype(column, skipna=True) if kinds.is_object_dtype(column) else str(column.dtype)
    if found in {"string", "str", "empty"}:
        return "string"
    if found == "boolean":  # some are missing
        return "boolean"
    raise DataError(f"column '{column.name}' holds {found}, which no model takes", hint="exclude or cast it")


def _categories(column: pd.Series[Any]) -> tuple[Any, ...]:
    if column_type(column) not in {"string", "boolean"}:
        return ()
    values = sorted(column.dropna().unique().tolist())
    return tuple(values[:_MOST_CATEGORIES])


def make_pipeline(estimator: Any, features: tuple[Feature, ...], mode: Literal["auto", "none"] | PreprocessSpec) -> Any:
    """Give one Pipeline of preprocessing and estimator.

    auto: numbers get the median for missing values and are scaled; strings get the most frequent value and are
    one-hot encoded, unseen values as all zeros, rare ones as one where there are more than 256; booleans are encoded,
    a missing one as a value of its own. none: the estimator alone.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if mode == "none":
        return Pipeline([("estimator", estimator)])
    numbers = [feature.name for feature in features if feature.type in {"float", "integer"}]
    strings = [feature.name for feature in features if feature.type == "string"]
    booleans = [feature.name for feature in features if feature.type == "boolean"]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=_MOST_ENCODED)
    steps: list[tuple[str, Any, list[str]]] = []
    if numbers:
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        steps.append(("numbers", Pipeline([("impute", imputer), ("scale", StandardScaler())]), numbers))
    if strings:
        fill = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
        steps.append(("strings", Pipeline([("impute", fill), ("encode", encoder)]), strings))
    if booleans:
        steps.append(("booleans", encoder, booleans))
    return Pipeline([("preprocess", ColumnTransformer(steps)), ("estimator", estimator)])
