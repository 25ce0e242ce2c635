"""Answers: predictions and errors as JSON in MLflow's and the Open Inference Protocol's forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.store.models import Signature

_DATATYPES = {"i": "INT64", "f": "FP64", "b": "BOOL"}
_NAMES = {"string": "BYTES", "timestamp": "BYTES", "boolean": "BOOL", "integer": "INT64", "float": "FP64"}


class RefusedError(Exception):
    """A request that is answered with an error status."""

    def __init__(
        self, status: int, message: str, hint: str = "", *, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.headers = headers
        self.message = message
        self.hint = hint
        super().__init__(message)


def mlflow_answer(_served: ServedModel, answer: Answer, _request_id: str) -> dict[str, Any]:
    """Give predictions as `/invocations` does."""
    return {"predictions": answer.predictions.tolist()}


def inference_answer(served: ServedModel, answer: Answer, request_id: str) -> dict[str, Any]:
    """Give predictions and, where there are, probabilities (n x classes) as output tensors."""
    predictions = answer.predictions
    kind = _DATATYPES.get(predictions.dtype.kind, "BYTES")
    data = predictions.ravel().tolist() if kind != "BYTES" else [str(value) for value in predictions.ravel()]
    outputs = [{"name": "predict", "shape": list(predictions.shape), "datatype": kind, "data": data}]
    if answer.probabilities is not None:
        shape, flat = list(answer.probabilities.shape), answer.probabilities.ravel().tolist()
        outputs.append({"name": "probabilities", "shape": shape, "datatype": "FP64", "data": flat})
    name, version = served.loaded.ref.name, served.version.version
    return {"model_name": name, "model_version": version, "id": request_id, "outputs": outputs}


def description(name: str, served: ServedModel) -> dict[str, Any]:
    """Describe a model: name, version, inputs and outputs."""
    signature: Signature = served.signature
    inputs = [
        {"name": feature.name, "datatype": _NAMES.get(feature.type, "FP64"), "shape": [-1]}
        for feature in signature.features
    ]
    shape = [-1, len(signature.labels)] if signature.labels else [-1]
    outputs: list[dict[str, Any]] = [{"name": "predict", "datatype": _NAMES[signature.answer_type], "shape": shape}]
    if signature.classes:
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(signature.classes)]})
    return {
        "name": name,
        "versions": [served.version.version],
        "platform": served.engine,
        "inputs": inputs,
        "outputs": outputs,
    }


def error(message: str, hint: str = "") -> bytes:
    """Give an error: what was wrong and where, and what to do."""
    return orjson.dumps({"error": message, **({"hint": hint} if hint else {})})
