"""Partial dependence: what the model says on average when one feature is set to a value in every row.

Friedman, Greedy Function Approximation (2001), as scikit-learn computes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.explanation.outputs import output_names, outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from mlops_provider.store.models import Feature, LoadedModel

GRID = 20
MOST_ROWS = 1000
_MOST_VALUES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """The mean output at each value of a feature; `outputs` -> numbers, one for each value."""

    feature: str
    numeric: bool
    values: tuple[Any, ...]
    outputs: dict[str, tuple[float, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def partial_dependences(model: LoadedModel, frame: pd.DataFrame, features: Iterable[str]) -> Iterator[Dependence]:
    """Yield the partial dependence of some features, on at most 1,000 rows.

    Numbers are set to up to 20 values between the 5th and the 95th percentile, others to the 12 most frequent.
    """
    import numpy as np
    import pandas as pd
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.inspection import partial_dependence

    class Numbers(RegressorMixin, BaseEstimator):
        """The outputs of the model as those of a fitted regressor, whatever the model is."""

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, *_: Any) -> None:
            """Say that there is nothing to fit."""

        def predict(self, inputs: pd.DataFrame) -> Any:
            """Give the outputs, n x outputs."""
            return outputs(model, pd.concat([inputs, rest], axis=1))

    step = max(1, -(-len(frame) // MOST_ROWS))
    frame = frame.iloc[::step].reset_index(drop=True)
    inputs = frame[model.signature.names()]
    rest = frame.drop(columns=[*inputs.columns, *model.signature.targets()])
    kinds = {feature.name: feature for feature in model.signature.features}
    for name in features:
        grid = _grid(inputs[name], kinds[name])
        numeric = kinds[name].type in {"integer", "float"}
        if len(grid) < 2:  # noqa: PLR2004 (nothing varies)
            continue
        found = partial_dependence(
            Numbers(),
            inputs.astype({name: float}) if numeric else inputs,
            [name],
            categorical_features=None if numeric else [name],
            custom_values={name: grid},
            method="brute",
        )
        averages = np.asarray(found["average"], dtype=float)
        yield Dependence(
            feature=name,
            numeric=numeric,
            values=tuple(grid.tolist()),
            outputs={
                output: tuple(averages[index].tolist()) for index, output in enumerate(output_names(model.signature))
            },
        )


def _grid(column: pd.Series[Any], feature: Feature) -> Any:
    import numpy as np

    values = column.dropna()
    if feature.type not in {"integer", "float"}:
        return np.array(values.value_counts().index[:_MOST_VALUES], dtype=object)
    numbers = values.to_numpy(dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return numbers
    distinct = np.unique(numbers)
    if len(distinct) <= GRID:
        return distinct
    low, high = np.quantile(numbers, [0.05, 0.95])
    return np.linspace(low, high, GRID) if high > low else distinct[[0, -1]]
