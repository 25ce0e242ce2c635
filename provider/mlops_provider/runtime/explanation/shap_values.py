"""SHAP values: how much each column of a row moves the model's output from its mean (Lundberg and Lee, 2017).

Trees and linear models behind a preprocessing get their exact explainers, and the parts of a column (one-hot, for
example) are summed to the column. Every other model is asked with columns of the row in the place of a background's.
Values that do not add up to what the model says are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.imports import import_extra
from mlops_provider.runtime.explanation.outputs import output_names, outputs
from mlops_provider.runtime.explanation.parts import Parts, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import LoadedModel

    Array = np.ndarray[Any, Any]

EXTRA = "explain"
FAST_ROWS, SLOW_ROWS = 1000, 100
"""So many rows are explained by an exact explainer, and by asking the model."""
BACKGROUND_ROWS, ASKED_BACKGROUND_ROWS = 100, 30
_TOLERANCE = 1e-4
_CUBE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapValues:
    """SHAP values of n rows: n x features x outputs, of which with `base` (outputs) the sum is what the model says.

    `unit` is what they add up to: the probability, its logarithm of odds (`log-odds`; of more classes the
    score that probabilities are made of), or the target's own unit.
    `inputs` are the rows' features.
    """

    features: tuple[str, ...]
    outputs: tuple[str, ...]
    values: Array
    base: Array
    unit: str
    method: str
    inputs: pd.DataFrame

    def totals(self) -> Array:
        """Give what the model says of each row (n x outputs), in the unit of the values."""
        return self.base + self.values.sum(axis=1)  # type: ignore[no-any-return]

    def of_answer(self) -> Array:
        """Give n x features: of one output its values, of several those of the largest in its row."""
        import numpy as np

        chosen = self.totals().argmax(axis=1)
        return self.values[np.arange(len(self.values)), :, chosen]

    def ranking(self) -> list[tuple[str, float]]:
        """Give every feature with its mean |SHAP| over rows and outputs, the largest first."""
        means = abs(self.values).mean(axis=(0, 2))
        return sorted(zip(self.features, map(float, means), strict=True), key=lambda pair: -pair[1])

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form: the means, not the rows."""
        means = abs(self.values).mean(axis=0)
        return {
            "rows": len(self.values),
            "method": self.method,
            "unit": self.unit,
            "base": dict(zip(self.outputs, map(float, self.base), strict=True)),
            "mean_absolute": dict(self.ranking()),
            "by_output": {
                output: dict(zip(self.features, map(float, means[:, index]), strict=True))
                for index, output in enumerate(self.outputs)
            },
        }


def explain_rows(model: LoadedModel, frame: pd.DataFrame, background: pd.DataFrame) -> ShapValues:
    """Explain every row of a frame that has the features; `background` are rows of what is usual, such as the baseline.

    DataError where no explainer's values add up to what the model says.
    """
    import_extra("shap", EXTRA)
    names = model.signature.names()
    inputs = frame[names].reset_index(drop=True)
    background = background[names].reset_index(drop=True)
    if inputs.empty or background.empty:
        raise DataError("there are no rows to explain")
    parts = take_apart(model)
    if parts is not None:
        count = len(output_names(model.signature))
        for method, values, base in _exact(parts, inputs, background, count):
            unit = _unit(model, parts, inputs, base + values.sum(axis=1))
            if unit:
                return _made(model, inputs, values, base, unit, method)
    values, base = _by_asking(model, inputs, spread(background, ASKED_BACKGROUND_ROWS))
    unit = _unit(model, None, inputs, base + values.sum(axis=1))
    if not unit:
        raise DataError("SHAP values do not add up to what the model says", hint="is its answer the same every time?")
    return _made(model, inputs, values, base, unit, "permutation")


def explain_sample(model: LoadedModel, frame: pd.DataFrame, *, seed: int = 0) -> ShapValues:
    """Explain a bounded sample of a frame against the model's own baseline."""
    import_extra("shap", EXTRA)
    most = FAST_ROWS if take_apart(model) is not None else SLOW_ROWS
    sample = frame.sample(most, random_state=seed).sort_index() if len(frame) > most else frame
    return explain_rows(model, sample, model.baseline())


def _made(model: LoadedModel, inputs: pd.DataFrame, values: Array, base: Array, unit: str, method: str) -> ShapValues:
    names = output_names(model.signature)
    return ShapValues(
        features=tuple(inputs.columns),
        outputs=tuple(names),
        values=values,
        base=base,
        unit=unit,
        method=method,
        inputs=inputs,
    )


def _exact(
    parts: Parts, inputs: pd.DataFrame, background: pd.DataFrame, count: int
) -> Iterator[tuple[str, Array, Array]]:
    """Yield what the explainers of trees and of linear models give, summed to columns; those that fail, nothing."""
    import numpy as np
    import shap

    rows, usual = parts.prepare(inputs), parts.prepare(spread(background, BACKGROUND_ROWS))
    makers = {
        "tree": lambda: shap.TreeExplainer(parts.estimator),
        "linear": lambda: shap.LinearExplainer(parts.estimator, usual),
    }
    for method in parts.methods:
        try:
            explainer = makers[method]()
            values = np.asarray(explainer.shap_values(rows), dtype=float)
            base = np.atleast_1d(np.asarray(explainer.expected_value, dtype=float))
        except Exception:  # noqa: BLE001, S112 (explainers fail in many ways on models that they do not know; then the next)
            continue
        if values.ndim < _CUBE:
            values = values[:, :, np.newaxis]
        values, base = values[:, :, -count:], base[-count:]  # of two classes explainers give both
        if values.shape[2] == len(base) == count and values.shape[1] == len(parts.owners):
            summed = np.zeros((len(inputs), inputs.shape[1], values.shape[2]))
            for part, owner in enumerate(parts.owners):
                summed[:, owner] += values[:, part]
            yield method, summed, base


def _by_asking(model: LoadedModel, inputs: pd.DataFrame, background: pd.DataFrame) -> tuple[Array, Array]:
    """Explain any model: columns as codes, so that text and missing values need no numbers."""
    import numpy as np
    import pandas as pd
    import shap

    both = pd.concat([inputs, background], ignore_index=True)
    factors = {name: pd.factorize(both[name], use_na_sentinel=False) for name in both}
    codes = np.column_stack([factor[0] for factor in factors.values()]).astype(float)

    def ask(rows: Array) -> Array:
        columns = {}
        for index, (name, (_, values)) in enumerate(factors.items()):
            columns[name] = pd.Series(values).take(rows[:, index].astype(int)).astype(both[name].dtype).to_numpy()
        return outputs(model, pd.DataFrame(columns).astype(both.dtypes.to_dict()))

    masker = shap.maskers.Independent(codes[len(inputs) :], max_samples=len(background))
    explainer = shap.explainers.Permutation(ask, masker, seed=0)
    found = explainer(codes[: len(inputs)], max_evals=2 * 2 * inputs.shape[1] + 2, silent=True)
    values = np.asarray(found.values, dtype=float)
    base = np.asarray(found.base_values, dtype=float)
    if values.ndim < _CUBE:
        values, base = values[:, :, np.newaxis], base.reshape(len(values), -1)
    return values, base.mean(axis=0)


def _unit(model: LoadedModel, parts: Parts | None, inputs: pd.DataFrame, totals: Array) -> str:
    """Say what the values add up to; nothing where it is none of the model's outputs."""
    import numpy as np

    def equal(said: Array) -> bool:
        said = np.asarray(said, dtype=float).reshape(len(inputs), -1)
        scale = max(1.0, float(abs(said).max()))
        return said.shape == totals.shape and bool(np.allclose(said, totals, rtol=0, atol=_TOLERANCE * scale))

    classifies = model.signature.task in {"classification", "multilabel"}
    if equal(outputs(model, inputs)):
        return "probability" if classifies else model.signature.target
    if classifies and parts is not None:
        margin = parts.margin(inputs)
        if margin is not None and equal(margin):
            return "log-odds" if totals.shape[1] == 1 else "score before probabilities"
    return ""


def spread(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Give at most so many rows of a frame, evenly spread over it."""
    step = max(1.0, len(frame) / rows)
    return frame.iloc[[int(index * step) for index in range(min(rows, len(frame)))]]
