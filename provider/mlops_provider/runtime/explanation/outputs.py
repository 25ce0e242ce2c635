"""What a model says of a row, as numbers that can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import LoadedModel, Signature

    Array = np.ndarray[Any, Any]

BINARY = 2


def output_names(signature: Signature) -> list[str]:
    """Give the names of the outputs: the second of two classes, each of more, each label, or the target."""
    if signature.task == "classification":
        classes = signature.classes[1:] if len(signature.classes) == BINARY else signature.classes
        return [str(label) for label in classes]
    return signature.targets()


def outputs(model: LoadedModel, frame: pd.DataFrame) -> Array:
    """Give the outputs (n x outputs): probabilities where the model gives them, else 0 and 1, or its number."""
    import numpy as np

    signature = model.signature
    if signature.task not in {"classification", "multilabel"}:
        return np.asarray(model.predict(frame), dtype=float).reshape(len(frame), -1)
    found = model.probabilities(frame)
    if found is None:
        predicted = np.asarray(model.predict(frame))
        if signature.task == "multilabel":
            return predicted.astype(float)
        found = np.column_stack([predicted == label for label in signature.classes])
    if signature.task == "classification" and len(signature.classes) == BINARY:
        found = found[:, 1:]
    return np.asarray(found, dtype=float)
