"""Preprocessing as part of the model: one scikit-learn Pipeline that takes raw columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.exceptions import DataError
from mlops_provider.imports import import_allowed
from mlops_provider.runtime.training.construct import construct
from mlops_provider.store.models import Feature, FeatureType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from mlops_dag_factory.spec.train import PreprocessSpec, StepSpec

NUMBERS = frozenset({"float", "integer"})
KEEP = "passthrough"
"""scikit-learn's word for columns that are taken as they are."""
_KINDS = {
    "float": "numbers",
    "integer": "numbers",
    "string": "strings",
    "boolean": "booleans",
    "timestamp": "strings",  # refused before, unless steps are declared for it
}
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


def declared_columns(mode: Literal["auto", "none"] | PreprocessSpec) -> Mapping[str, list[StepSpec] | str]:
    """Give what a workflow says of single columns: steps, keep or drop."""
    return {} if isinstance(mode, str) else mode.columns


def make_pipeline(
    estimator: Any,
    features: tuple[Feature, ...],
    mode: Literal["auto", "none"] | PreprocessSpec,
    *,
    allowed_imports: Iterable[str] = (),
    seed: int = 0,
) -> Any:
    """Give one Pipeline of preprocessing and estimator.

    auto: numbers get the median for missing values and are scaled, unless the estimator takes missing values itself:
    what does so are trees, to which the scale is the same; strings get the most frequent value and are one-hot encoded,
    unseen values as all zeros, rare ones as one where there are more than 256; booleans are encoded, a missing one as a
    value of its own. none: the estimator alone. A declared preprocessing replaces these by type and by column.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    if mode == "none":
        return Pipeline([("estimator", estimator)])
    made = _Steps(estimator, tuple(allowed_imports), seed)
    declared = declared_columns(mode)
    kinds: dict[str, list[str]] = {"numbers": [], "strings": [], "booleans": []}
    for feature in features:
        if feature.name not in declared:
            kinds[_KINDS[feature.type]].append(feature.name)
    groups: list[tuple[str, Any, list[str]]] = []
    numeric = None if isinstance(mode, str) else mode.numeric
    groups.append(("numbers", made.numbers() if numeric is None else made.declared(numeric), kinds["numbers"]))
    categorical = None if isinstance(mode, str) else mode.categorical
    if categorical is None:
        groups += [("strings", made.strings(), kinds["strings"]), ("booleans", made.encoder(), kinds["booleans"])]
    else:
        words = [feature.name for feature in features if feature.name in {*kinds["strings"], *kinds["booleans"]}]
        groups.append(("categories", made.declared(categorical), words))
    for place, feature in enumerate(features):
        if steps := declared.get(feature.name):
            chosen = KEEP if isinstance(steps, str) else made.declared(steps)
            groups.append((f"column_{place}", chosen, [feature.name]))
    groups = [group for group in groups if group[2]]
    if all(transformer == KEEP for _, transformer, _ in groups):
        return Pipeline([("estimator", estimator)])
    return Pipeline([("preprocess", ColumnTransformer(groups)), ("estimator", estimator)])


@dataclass(frozen=True, slots=True)
class _Steps:
    """Makes the steps before an estimator."""

    estimator: Any
    allowed_imports: tuple[str, ...]
    seed: int

    def numbers(self) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        if takes_missing(self.estimator):
            return KEEP
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        return Pipeline([("impute", imputer), ("scale", StandardScaler())])

    def strings(self) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline

        fill = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
        return Pipeline([("impute", fill), ("encode", self.encoder())])

    def encoder(self) -> Any:
        from sklearn.preprocessing import OneHotEncoder

        return OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=_MOST_ENCODED)

    def declared(self, steps: list[StepSpec]) -> Any:
        """Give the transformers that a workflow names, one after the other."""
        from sklearn.pipeline import Pipeline

        if not steps:
            return KEEP
        made = [self._transformer(step) for step in steps]
        return Pipeline([(f"{type(each).__name__.lower()}_{i}", each) for i, each in enumerate(made)])

    def _transformer(self, step: StepSpec) -> Any:
        cls = import_allowed(step.transformer, self.allowed_imports)
        return construct(cls, step.transformer, step.parameters, self.seed, wants=("fit", "transform"))


def takes_missing(estimator: Any) -> bool:
    """Say whether an estimator learns from missing values itself."""
    from sklearn.utils import get_tags

    return hasattr(estimator, "__sklearn_tags__") and bool(get_tags(estimator).input_tags.allow_nan)
