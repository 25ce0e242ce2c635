"""Engines: how a model predicts. ONNX Runtime is faster for one row, where its answers are scikit-learn's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mlops_provider.serving.model import Answer, ServedModel, load_served

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

_TOLERANCE = 1e-5
_LOG = logging.getLogger(__name__)


def loader(engine: str) -> Callable[[Store, ServedVersion], ServedModel]:
    """Give what loads a version for an engine."""
    return load_onnx if engine == "onnx" else load_served


def load_onnx(store: Store, version: ServedVersion) -> ServedModel:
    """Load a version; predict by ONNX Runtime if it answers as scikit-learn does, else say why not."""
    served = load_served(store, version)
    try:
        fast = translate(served)
        difference = disagreement(served, fast)
    except Exception as err:  # noqa: BLE001 (whatever a translation does, scikit-learn answers)
        difference = f"{type(err).__name__}: {' '.join(str(err).split())[:300]}"
    if difference:
        _LOG.warning("version %s: scikit-learn answers, not ONNX Runtime: %s", version.version, difference)
    else:
        served.use(fast, "onnxruntime")
    return served


def translate(served: ServedModel) -> Callable[[Any], Answer]:
    """Translate a model of numbers to ONNX; give what predicts with it.

    Double numbers where the translation takes them, else floats: a forest's translation compares floats, and a value
    at a threshold may then fall on the other side, which the comparison that follows finds where it happens.
    """
    import numpy as np

    try:
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    except ImportError as err:
        raise RuntimeError(f"{err.name} is missing: pip install 'airflow-provider-mlops[onnx]'") from err
    if not served.features.numeric or served.signature.task not in {"classification", "regression"}:
        raise RuntimeError("only models of numbers that classify or regress are translated")
    try:
        session, kind = _session(served, DoubleTensorType), "float64"
    except Exception as err:  # noqa: BLE001 (each library of the two has its own)
        _LOG.debug("no translation for doubles: %s", err)
        session, kind = _session(served, FloatTensorType), "float32"
    classes = getattr(served.loaded.pipeline, "classes_", None)

    def predict(inputs: Any) -> Answer:
        found = session.run(None, {"rows": np.ascontiguousarray(inputs, dtype=kind)})
        if classes is None:
            return Answer(found[0].ravel().astype(np.float64), None, inputs)
        probabilities = found[1].astype(np.float64)
        return Answer(classes[probabilities.argmax(axis=1)], probabilities, inputs)

    return predict


def _session(served: ServedModel, tensor: Any) -> Any:
    import onnxruntime
    from skl2onnx import to_onnx

    pipeline = served.direct_pipeline()
    if pipeline is None:
        raise RuntimeError("its preprocessing picks columns by name")
    options = {id(pipeline.steps[-1][1]): {"zipmap": False}} if served.signature.classes else None
    shape = [None, len(served.features.names)]
    proto = to_onnx(pipeline, initial_types=[("rows", tensor(shape))], options=options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(proto.SerializeToString(), settings, providers=["CPUExecutionProvider"])


def disagreement(served: ServedModel, fast: Callable[[Any], Answer]) -> str:
    """Compare both engines on golden and baseline rows; '' when they agree."""
    import numpy as np

    rows = served.golden_inputs()
    baseline = served.loaded.baseline()[served.features.names].to_numpy(dtype=np.float64)
    inputs = np.concatenate([rows, baseline])
    expected, found = served.slow_answer(inputs), fast(inputs)
    if expected.predictions.dtype.kind == "f":
        same = np.isclose(expected.predictions, found.predictions, rtol=_TOLERANCE, atol=_TOLERANCE)
    else:
        same = expected.predictions == found.predictions
    if expected.probabilities is not None and found.probabilities is not None:
        close = np.isclose(expected.probabilities, found.probabilities, rtol=_TOLERANCE, atol=_TOLERANCE)
        same &= close.all(axis=1)
    wrong = int((~same).sum())
    return f"{wrong} of {len(inputs)} golden and baseline rows differ" if wrong else ""
