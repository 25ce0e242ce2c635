"""Call the workflow's own function that fits a model, in any framework; what it prints and raises is looked after.

The contract: each parameter of the function is filled by its name.

    table       the rows: `pandas.DataFrame`, `polars.DataFrame`, `polars.LazyFrame` or `pyarrow.RecordBatchReader`
                where it is annotated so, otherwise a `pyarrow.Table`; a first parameter of any other name gets it too
    target      the name of the column to predict, or a list of names where there are several
    features    the names of the columns to learn from
    parameters  the phase's parameters
    seed        the phase's seed; the global generators of Python, numpy and PyTorch are seeded with it already
    validation  the rows that judge, in the form of `table`; None where there are none
    weights     the weight of each row, or None
    query, timestamp, season   as the phase says
    progress    to be called as progress(done, of, score=None)

It returns a model with `predict(frame)`, and with `predict_proba` and `classes_` where it has them; the model is one
that skops writes and the deployment trusts, or its class has `save(folder)` and a classmethod `load(folder)`.
"""

from __future__ import annotations

import inspect
import traceback
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, FunctionError, MlopsError
from mlops_provider.imports import import_allowed
from mlops_provider.runtime.functions import given_as
from mlops_provider.runtime.training.requirements import imports_of
from mlops_provider.runtime.training.secrets import Secrets
from mlops_provider.runtime.training.seeds import seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.training.progress import Progress
    from mlops_provider.runtime.training_data import TrainingData

_FRAMES, _CHARACTERS = 10, 2500
_NAMES = (
    "table target features parameters seed validation weights query timestamp season progress".split()  # noqa: SIM905
)


def fit_by_function(
    config: TrainSpec,
    data: TrainingData,
    context: RunContext,
    parameters: Mapping[str, Any],
    *,
    weights: np.ndarray[Any, Any] | None,
    progress: Progress,
) -> Any:
    """Give the model that the function fits; FunctionError has the traceback of what it raises."""
    name = config.python or ""
    function = import_allowed(name, context.allowed_imports)
    if not callable(function):
        raise ConfigError(f"'{name}' is {type(function).__name__}, not a function")
    values = {
        "target": data.targets[0] if len(data.targets) == 1 else list(data.targets),
        "features": data.names,
        "parameters": dict(parameters),
        "seed": config.seed,
        "weights": weights,
        "query": config.query,
        "timestamp": config.timestamp,
        "season": config.season,
        "progress": progress,
    }
    arguments = _arguments(function, name, values, data)
    if weights is not None and "weights" not in arguments:
        raise ConfigError(f"'{name}' has no parameter 'weights', but the phase gives some", hint="add it, or leave out")
    if config.early_stopping is not False:
        raise ConfigError("'early_stopping' is for estimators", hint="a function ends its rounds itself")
    secrets = Secrets.known(context.connections)
    with seeded(config.seed, torch="torch" in imports_of(function)), secrets.hidden():
        model = _call(function, name, arguments, secrets)
    if not callable(getattr(model, "predict", None)):
        raise ConfigError(
            f"'{name}' returned {type(model).__name__}, which cannot predict", hint="return a model with predict(frame)"
        )
    return model


def _arguments(
    function: Callable[..., Any], name: str, values: Mapping[str, Any], data: TrainingData
) -> dict[str, Any]:
    """Give what the function's parameters ask for; the first one gets the rows, whatever its name is."""
    asked = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    found: dict[str, Any] = {}
    form = asked[0].annotation if asked else None
    for place, parameter in enumerate(asked):
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= {key: value for key, value in values.items() if key not in found}
        elif parameter.name == "validation":
            annotation = form if parameter.annotation is parameter.empty else parameter.annotation
            found["validation"] = None if data.validation is None else given_as(data.validation.frame, annotation)
        elif parameter.name in values:
            found[parameter.name] = values[parameter.name]
        elif parameter.name == "table" or place == 0:
            found[parameter.name] = given_as(data.frame, parameter.annotation)
        elif parameter.default is parameter.empty:
            close = get_close_matches(parameter.name, _NAMES, n=1)
            meant = f"did you mean '{close[0]}'? " if close else ""
            raise ConfigError(
                f"'{name}' wants '{parameter.name}', which a training does not give",
                hint=f"{meant}it gives: {', '.join(_NAMES)}",
            )
    return found


def _call(function: Callable[..., Any], name: str, arguments: Mapping[str, Any], secrets: Secrets) -> Any:
    try:
        return function(**arguments)
    except MlopsError:
        raise
    except SystemExit as err:
        raise FunctionError(f"'{name}' ended the process with sys.exit({err.code})") from None
    except Exception as err:  # noqa: BLE001 (code of the workflow raises what it likes)
        raise FunctionError(f"'{name}' failed\n{told(err, secrets)}") from None  # the cause may hold a secret


def told(err: Exception, secrets: Secrets) -> str:
    """Give the end of a traceback, without our own frames and without secrets."""
    found = traceback.TracebackException.from_exception(err)
    found.stack = traceback.StackSummary.from_list([frame for frame in found.stack if frame.filename != __file__])
    del found.stack[:-_FRAMES]
    text = secrets.hide("".join(found.format()).rstrip())
    return text if len(text) <= _CHARACTERS else f"… {text[-_CHARACTERS:]}"
