"""Phase `train`: fit one estimator with its preprocessing, or by a function, and publish the model."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from mlops_provider.imports import import_allowed
from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.columns.files import write_profiles
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.fitting import fit
from mlops_provider.runtime.profile import VALUES_AT_ONCE, Profile, profile
from mlops_provider.runtime.signature import signature_of
from mlops_provider.runtime.sql import identifier
from mlops_provider.runtime.table import connect, scan
from mlops_provider.runtime.training.column_profiles import training_profiles
from mlops_provider.runtime.training.predictions import predicted, score
from mlops_provider.runtime.training.progress import Progress
from mlops_provider.runtime.training.requirements import requirements
from mlops_provider.runtime.training_data import read_training_data
from mlops_provider.runtime.tuning import find
from mlops_provider.store.models import COLUMNS_FILE, PREDICTION_COLUMN, save_model

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.refs import Ref
    from mlops_provider.runtime.training_data import TrainingData

GOLDEN_ROWS = 20
BASELINE_ROWS = 5000
MOST_PROFILERS = 4


def run(config: TrainSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Fit, keep golden rows, a baseline sample and a profile beside the model, and publish all of it."""
    data = read_training_data(config, inputs, context)
    store = context.store()
    found = find(config, data, context) if config.tune else None
    parameters = found.parameters if found else config.parameters
    name = config.estimator or config.python or ""
    progress = Progress()
    with progress.watching(f"{name} on {len(data.frame):,} rows and {len(data.names):,} features"):
        fitted = fit(config, data, context, parameters, progress)
    model, signature = fitted.model, signature_of(fitted.model, data)
    sample = _spread(data.frame[[*data.names, *data.targets]], BASELINE_ROWS)
    answers = predicted(model, sample[data.names], signature, name)
    metrics = {"rows": float(len(data.frame)), "features": float(len(data.names))}
    metrics |= score("train_score", signature, sample, answers)
    if data.validation is not None:
        judges = _spread(data.validation.frame, BASELINE_ROWS)
        metrics |= score("validation_score", signature, judges, predicted(model, judges[data.names], signature, name))
    with store.scratch() as folder:
        rows = _spread(data.inputs, GOLDEN_ROWS)
        save_model(
            folder,
            model,
            golden=rows.assign(**{PREDICTION_COLUMN: _cells(predicted(model, rows, signature, name))}),
            baseline=sample.assign(**{PREDICTION_COLUMN: _cells(answers)}),
            profile=_profile(data, context),
            trust=store.trust,
        )
        write_profiles(folder / COLUMNS_FILE, training_profiles(store, data, signature, sample, _cells(answers)))
        function = import_allowed(config.python, context.allowed_imports) if config.python else None
        needs = requirements(folder, function)
        meta = {
            "signature": signature.to_dict(),
            "estimator": name,
            "python": platform.python_version(),
            "requirements": needs,
            "lineage": {"data": data.ref.digest, "identity": context.identity, "run_id": context.run_id},
        }
        published = store.publish(context.workflow, "models", folder, meta)
    if found:
        metrics |= found.metrics()
    tracking.mirror(context, parameters={"estimator": name, **parameters}, metrics=metrics)
    summary = (
        f"{name} on {len(data.frame):,} rows and {len(data.names)} features to predict `{', '.join(data.targets)}`."
    )
    summary = "\n\n".join([summary, *(f"- {note}" for note in fitted.notes)])
    outputs: dict[str, Ref] = {"model": ModelRef(uri=published.uri, digest=published.digest)}
    details: dict[str, Any] = {"notes": fitted.notes, "requirements": needs}
    if found:
        outputs["search"] = found.publish(context, data.ref.digest)
        details["tune"] = found.details()
        summary = f"{summary}\n\n{found.summary(context.run_id)}"
    return Outcome(outputs=outputs, metrics=metrics, summary=summary, details=details)


def _profile(data: TrainingData, context: RunContext) -> Profile:
    """Profile all training rows, some columns per processor.

    Each connection has one thread, because sums in another order would give another digest.
    """
    from concurrent.futures import ThreadPoolExecutor

    from joblib import cpu_count

    names = [*data.names, *data.targets]
    workers = min(cpu_count(), MOST_PROFILERS, len(names))
    bounds = [len(names) * place // workers for place in range(workers + 1)]
    store = context.store()
    source = scan(store, data.ref)

    def part(first: int, end: int) -> Profile:
        columns = ", ".join(identifier(name) for name in names[first:end])
        with store.scratch() as spill, connect(spill) as connection:
            connection.execute("SET threads = 1")
            return profile(connection, f"(SELECT {columns} FROM {source})", most_values=VALUES_AT_ONCE // workers)

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(part, bounds, bounds[1:]))
    return {"rows": parts[0]["rows"], "columns": [column for one in parts for column in one["columns"]]}


def _spread(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Take rows at equal distances: a sample that needs no random generator."""
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    step = len(frame) / rows
    return frame.iloc[[int(i * step) for i in range(rows)]].reset_index(drop=True)


def _cells(answers: Any) -> Any:
    """Give answers as a column: those of several labels as lists."""
    return answers.tolist() if answers.ndim > 1 else answers
