"""What a fitted model answers on its own training rows, checked: a model of a function may answer anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, FunctionError, MlopsError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]


def predicted(model: Any, rows: pd.DataFrame, signature: Signature, name: str) -> Array:
    """Give n answers, or n x labels; ConfigError where they are not what the task wants."""
    import numpy as np

    try:
        answers = np.asarray(model.predict(rows))
    except MlopsError:
        raise
    except Exception as err:
        raise FunctionError(
            f"the model of '{name}' cannot predict its own training rows: {type(err).__name__}: {str(err)[:600]}"
        ) from err
    wanted = (len(rows), len(signature.labels)) if signature.labels else (len(rows),)
    if answers.shape != wanted:
        raise ConfigError(
            f"the model of '{name}' gives answers of shape {answers.shape} for {len(rows)} rows, {wanted} is wanted",
            hint="predict(frame) gives a value for each row, or a row of 0 and 1 where there are several targets",
        )
    if signature.labels:
        _require_known(answers, {0, 1}, name)
        return answers.astype(int)
    if signature.task == "classification":
        _require_known(answers, set(signature.classes), name)
    elif answers.dtype.kind not in "fiu" or not np.isfinite(answers).all():
        raise ConfigError(f"the model of '{name}' gives answers that are no finite numbers, for example {answers[0]!r}")
    return answers


def _require_known(answers: Array, classes: set[Any], name: str) -> None:
    unknown = [value for value in dict.fromkeys(answers.ravel().tolist()) if value not in classes]
    if unknown:
        known = ", ".join(map(str, sorted(classes, key=str)[:10]))
        raise ConfigError(
            f"the model of '{name}' answers '{unknown[0]}', which is no class of the target", hint=f"classes: {known}"
        )


def score(metric: str, signature: Signature, rows: pd.DataFrame, answers: Array) -> dict[str, float]:
    """Give the accuracy, or R² for numbers (scikit-learn's default scores), under a name; nothing for a single row."""
    import numpy as np
    from sklearn.metrics import accuracy_score, r2_score

    if len(rows) < 2:  # noqa: PLR2004 (R² is a share of a variance)
        return {}
    truth = rows[signature.targets()] if signature.labels else rows[signature.target]
    found = accuracy_score(truth, answers) if signature.classes or signature.labels else r2_score(truth, answers)
    return {metric: float(found)} if np.isfinite(found) else {}
