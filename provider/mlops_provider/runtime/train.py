"""Phase `train`: fit one estimator with its preprocessing and publish the model."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.fitting import fit
from mlops_provider.runtime.signature import signature_of
from mlops_provider.runtime.training_data import read_training_data
from mlops_provider.runtime.tuning import find
from mlops_provider.store.models import PREDICTION_COLUMN, save_model

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.refs import Ref

GOLDEN_ROWS = 20
BASELINE_ROWS = 5000
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "scipy", "skops")


def run(config: TrainSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Fit, keep golden rows and a baseline sample beside the model, and publish all of it."""
    data = read_training_data(config, inputs, context)
    store = context.store()
    found = find(config, data, context) if config.tune else None
    parameters = found.parameters if found else config.parameters
    fitted = fit(config, data, context, parameters)
    model = fitted.model
    meta = {
        "signature": signature_of(model, data).to_dict(),
        "estimator": config.estimator or config.python,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "lineage": {"data": data.ref.digest, "identity": context.identity, "run_id": context.run_id},
    }
    with store.scratch() as folder:
        golden = _with_predictions(model, _spread(data.inputs, GOLDEN_ROWS))
        sample = _spread(data.frame[[*data.names, *data.targets]], BASELINE_ROWS)
        baseline = sample.assign(**{PREDICTION_COLUMN: model.predict(sample[data.names])})
        save_model(folder, model, golden=golden, baseline=baseline)
        published = store.publish(context.workflow, "models", folder, meta)
    metrics = {"rows": float(len(data.frame)), "features": float(len(data.names))}
    if hasattr(model, "score"):
        metrics["train_score"] = float(model.score(data.inputs, data.target))
    if found:
        metrics |= found.metrics()
    tracking.mirror(context, parameters={"estimator": meta["estimator"], **parameters}, metrics=metrics)
    summary = (
        f"{meta['estimator']} on {len(data.frame):,} rows and {len(data.names)} features to predict "
        f"`{', '.join(data.targets)}`."
    )
    outputs: dict[str, Ref] = {"model": ModelRef(uri=published.uri, digest=published.digest)}
    details: dict[str, Any] = {"notes": fitted.notes}
    if found:
        outputs["search"] = found.publish(context, data.ref.digest)
        details["tune"] = found.details()
        summary = f"{summary}\n\n{found.summary(context.run_id)}"
    return Outcome(outputs=outputs, metrics=metrics, summary=summary, details=details)


def _spread(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Take rows at equal distances: a sample that needs no random generator."""
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    step = len(frame) / rows
    return frame.iloc[[int(i * step) for i in range(rows)]].reset_index(drop=True)


def _with_predictions(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{PREDICTION_COLUMN: model.predict(frame)})
