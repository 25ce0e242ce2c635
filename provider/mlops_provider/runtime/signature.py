"""The signature of a model that was just fitted: its task, columns and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.fitting import is_classifier
from mlops_provider.runtime.preprocess import column_type
from mlops_provider.store.models import Signature

if TYPE_CHECKING:
    from mlops_provider.runtime.training_data import TrainingData


def signature_of(model: Any, data: TrainingData) -> Signature:
    """Describe a model by what it was fitted on."""
    task = data.task or ("classification" if is_classifier(model) else "regression")
    labels = data.targets if task == "multilabel" else ()
    return Signature(
        task=task,
        features=data.features,
        target=", ".join(data.targets),
        target_type="integer" if labels else column_type(data.target),
        classes=_classes(model, data) if task == "classification" else (),
        labels=labels,
        query=data.query,
        timestamp=data.timestamp,
        season=data.season,
    )


def _classes(model: Any, data: TrainingData) -> tuple[Any, ...]:
    """Give the classes in the order of the probabilities; a model that names none has those of the target, sorted."""
    import numpy as np

    if hasattr(model, "classes_"):
        return tuple(np.asarray(model.classes_).tolist())
    if hasattr(model, "predict_proba"):
        raise ConfigError(
            f"{type(model).__name__} gives probabilities but has no 'classes_'", hint="set it to the classes in order"
        )
    return tuple(sorted(data.target.unique().tolist()))
