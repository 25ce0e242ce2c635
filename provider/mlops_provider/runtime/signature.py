"""The signature of a model that was just fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.fitting import is_classifier
from mlops_provider.runtime.preprocess import column_type
from mlops_provider.store.models import Signature

if TYPE_CHECKING:
    from mlops_provider.runtime.training_data import TrainingData


def signature_of(model: Any, data: TrainingData) -> Signature:
    """Say what a model takes and gives, from what it was fitted on."""
    classifies = is_classifier(model)
    return Signature(
        task="classification" if classifies else "regression",
        features=data.features,
        target=data.targets[0],
        target_type=column_type(data.target),
        classes=tuple(model.classes_.tolist()) if classifies and hasattr(model, "classes_") else (),
    )
