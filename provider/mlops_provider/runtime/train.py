"""Phase `train`: fit one estimator with its preprocessing and publish the model."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.refs import DatasetRef, ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.imports import import_allowed
from mlops_provider.runtime.preprocess import column_type, features_of, make_pipeline
from mlops_provider.runtime.sql import require_columns
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import PREDICTION_COLUMN, Signature, save_model

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.model import TrainSpec

GOLDEN_ROWS = 20
BASELINE_ROWS = 5000
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "scipy", "skops")


def run(config: TrainSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Fit, keep golden rows and a baseline sample beside the model, and publish all of it."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    store = context.store()
    frame = read_frame(store, data)
    names = feature_names(config, list(frame.columns))
    target = _target(frame, config.target)
    features = features_of(frame, names)
    dates = [feature.name for feature in features if feature.type == "timestamp"]
    if dates:
        raise DataError(
            f"columns {', '.join(dates)} are timestamps", hint="put them in 'exclude', or derive numbers first"
        )
    if config.estimator:
        estimator = make_estimator(config, context)
        classifies = _is_classifier(estimator)
        _check_target(target, classifies=classifies)
        model = make_pipeline(estimator, features, config.preprocess)
        notes = _fit(model, frame[names], target, config.estimator)
    else:
        model, notes = _fit_by_function(config, context, frame, names), []
        classifies = _is_classifier(model)
    signature = Signature(
        task="classification" if classifies else "regression",
        features=features,
        target=config.target,
        target_type=column_type(target),
        classes=tuple(model.classes_.tolist()) if classifies and hasattr(model, "classes_") else (),
    )
    meta = {
        "signature": signature.to_dict(),
        "estimator": config.estimator or config.python,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "lineage": {"data": data.digest, "identity": context.identity, "run_id": context.run_id},
    }
    with store.scratch() as folder:
        golden = _with_predictions(model, _spread(frame[names], GOLDEN_ROWS))
        sample = _spread(frame[[*names, config.target]], BASELINE_ROWS)
        baseline = sample.assign(**{PREDICTION_COLUMN: model.predict(sample[names])})
        save_model(folder, model, golden=golden, baseline=baseline)
        published = store.publish(context.workflow, "models", folder, meta)
    score = float(model.score(frame[names], target)) if hasattr(model, "score") else None
    metrics = {"rows": float(len(frame)), "features": float(len(names))}
    if score is not None:
        metrics["train_score"] = score
    tracking.mirror(context, parameters={"estimator": meta["estimator"], **config.parameters}, metrics=metrics)
    summary = f"{meta['estimator']} on {len(frame):,} rows and {len(names)} features to predict `{config.target}`."
    ref = ModelRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"model": ref}, metrics=metrics, summary=summary, details={"notes": notes})


def feature_names(config: TrainSpec, columns: list[str]) -> list[str]:
    """Give the columns to learn from."""
    require_columns(columns, [config.target, *config.features], "the training data")
    names = config.features or [name for name in columns if name != config.target and name not in config.exclude]
    if config.target in names:
        raise ConfigError(f"the target '{config.target}' is among the features: the model would see the answer")
    if not names:
        raise DataError("the training data has no column but the target")
    return list(names)


def make_estimator(config: TrainSpec, context: RunContext) -> Any:
    """Make the estimator with its parameters and seed."""
    cls = import_allowed(config.estimator or "", context.allowed_imports)
    if not (isinstance(cls, type) and hasattr(cls, "fit") and hasattr(cls, "get_params")):
        raise ConfigError(f"'{config.estimator}' is not an estimator", hint="name a class with fit and get_params")
    allowed = cls._get_param_names()  # type: ignore[attr-defined]
    unknown = sorted(set(config.parameters) - set(allowed))
    if unknown:
        raise ConfigError(
            f"'{config.estimator}' has no parameter {', '.join(unknown)}", hint=f"allowed: {', '.join(allowed)}"
        )
    seed = (
        {"random_state": config.seed} if "random_state" in allowed and "random_state" not in config.parameters else {}
    )
    try:
        estimator = cls(**config.parameters, **seed)
    except (TypeError, ValueError) as err:
        raise ConfigError(f"'{config.estimator}' cannot be made: {err}", hint="give its 'parameters'") from err
    if not hasattr(cls, "predict") or not (_is_classifier(estimator) or _is_regressor(estimator)):
        raise ConfigError(f"'{config.estimator}' is neither a classifier nor a regressor")
    return estimator


def _target(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
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
    return target


def _check_target(target: pd.Series[Any], *, classifies: bool) -> None:
    kind = column_type(target)
    if classifies and kind == "float" and not (target == target.round()).all():
        raise DataError(f"the target '{target.name}' holds fractions, but the estimator is a classifier")
    if kind == "timestamp" or (not classifies and kind in {"string", "boolean"}):
        what = "classifier" if classifies else "regressor"
        raise DataError(f"the target '{target.name}' is {kind}, but the estimator is a {what}")


def _fit(model: Any, frame: pd.DataFrame, target: pd.Series[Any], name: str) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(frame, target)
        except (ValueError, TypeError) as err:
            raise DataError(f"{name} cannot be fitted: {' '.join(str(err).split())[:600]}") from err
    return sorted({" ".join(str(warning.message).split())[:300] for warning in caught})


def _fit_by_function(config: TrainSpec, context: RunContext, frame: pd.DataFrame, names: list[str]) -> Any:
    import pyarrow as pa

    function = import_allowed(config.python or "", context.allowed_imports)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    model = function(table, target=config.target, features=names, parameters=config.parameters, seed=config.seed)
    if not hasattr(model, "predict"):
        raise ConfigError(f"'{config.python}' returned {type(model).__name__}, which cannot predict")
    return model


def _is_classifier(model: Any) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(model)) if hasattr(model, "__sklearn_tags__") else hasattr(model, "classes_")


def _is_regressor(model: Any) -> bool:
    from sklearn.base import is_regressor

    return bool(is_regressor(model)) if hasattr(model, "__sklearn_tags__") else not hasattr(model, "classes_")


def _spread(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Take rows at equal distances: a sample that needs no random generator."""
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    step = len(frame) / rows
    return frame.iloc[[int(i * step) for i in range(rows)]].reset_index(drop=True)


def _with_predictions(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{PREDICTION_COLUMN: model.predict(frame)})
