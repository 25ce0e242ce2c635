"""A model as the server holds it: checked against its golden rows, quick for one row, correct by name."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ModelLoadError, RequestError
from mlops_provider.store.models import PREDICTION_COLUMN, LoadedModel, Signature, load_model

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.refs import ModelRef
    from mlops_provider.serving.payload import Rows
    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

    Array = np.ndarray[Any, Any]

_TOLERANCE = 1e-9
_NUMBERS = frozenset({"float", "integer"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Predictions of n rows; `probabilities` are n x classes or None; `inputs` is what the model saw, by column."""

    predictions: Array
    probabilities: Array | None
    inputs: Any


class ServedModel:
    """One version in memory."""

    def __init__(self, version: ServedVersion, loaded: LoadedModel) -> None:
        self.version = version
        self.loaded = loaded
        self.signature: Signature = loaded.signature
        self.names = self.signature.names()
        self._order = {name: index for index, name in enumerate(self.names)}
        self._numeric = all(feature.type in _NUMBERS for feature in self.signature.features)
        self._direct = _direct_pipeline(loaded.pipeline) if self._numeric else None
        self._argmax = False
        self._argmax = self._argmax_is_predict()

    def predict(self, rows: Rows) -> Answer:
        """Predict; RequestError names what is wrong with the rows."""
        inputs = self._matrix(rows) if self._numeric else self._frame(rows)
        try:
            return self.predict_inputs(inputs)
        except ValueError as err:
            raise RequestError(f"the model does not take these values: {' '.join(str(err).split())[:300]}") from err

    def predict_inputs(self, inputs: Any) -> Answer:
        """Predict for a matrix (all features are numbers) or a frame, columns in the signature's order."""
        pipeline = self._direct or self.loaded.pipeline
        given = inputs if self._direct or not self._numeric else self._as_frame(inputs)
        probabilities = pipeline.predict_proba(given) if hasattr(pipeline, "predict_proba") else None
        if self._argmax and probabilities is not None:
            return Answer(pipeline.classes_[probabilities.argmax(axis=1)], probabilities, inputs)
        return Answer(pipeline.predict(given), probabilities, inputs)

    def check_golden(self) -> None:
        """Compare with the golden rows; ModelLoadError when an answer differs from the one at training time."""
        import numpy as np

        golden = self.loaded.golden()
        expected = golden[PREDICTION_COLUMN].to_numpy()
        inputs = golden[self.names].to_numpy(dtype=np.float64) if self._numeric else golden[self.names]
        found = self.predict_inputs(inputs).predictions
        if expected.dtype.kind == "f":
            same = np.isclose(found.astype(float), expected, rtol=_TOLERANCE, atol=_TOLERANCE)
        else:
            same = found == expected
        if not same.all():
            first = int((~same).argmax())
            raise ModelLoadError(
                f"golden row {first} gives {found[first]!r}, at training time it gave {expected[first]!r}",
                hint="the libraries here differ from those of the training",
            )

    def _argmax_is_predict(self) -> bool:
        """Say whether the most probable class is always the prediction: then one computation gives both."""
        if not self.signature.classes or "svm" in type(self._estimator()).__module__:
            return False
        frame = self.loaded.baseline()
        predicted = frame[PREDICTION_COLUMN].to_numpy()
        probabilities = self.loaded.probabilities(frame)
        if probabilities is None:
            return False
        return bool((self.loaded.pipeline.classes_[probabilities.argmax(axis=1)] == predicted).all())

    def _estimator(self) -> Any:
        steps = getattr(self.loaded.pipeline, "steps", None)
        return steps[-1][1] if steps else self.loaded.pipeline

    def _matrix(self, rows: Rows) -> Array:
        import numpy as np

        if not rows.cells:
            raise RequestError("there are no rows")
        order = self._columns(rows)
        values = np.asarray(rows.cells)
        if values.dtype.kind not in "iufb":
            values = self._numbers(rows)
        matrix = values.astype(np.float64, copy=False)
        if order is not None:
            matrix = matrix[:, order]
        if np.isinf(matrix).any():
            row, column = (int(i) for i in np.argwhere(np.isinf(matrix))[0])
            raise RequestError(f"row {row}, '{self.names[column]}': the value is infinite")
        return matrix

    def _columns(self, rows: Rows) -> list[int] | None:
        """Give the places of the features among the request's columns; None when they are in order already."""
        if list(rows.names) == self.names:
            return None
        missing = [name for name in self.names if name not in set(rows.names)]
        extra = [name for name in rows.names if name not in self._order]
        if missing or extra or len(set(rows.names)) != len(rows.names):
            parts = [f"missing: {_some(missing)}"] if missing else []
            parts += [f"unknown: {_some(extra)}"] if extra else []
            raise RequestError(
                f"the columns are not the model's ({'; '.join(parts) or 'one stands twice'})",
                hint=f"it takes {len(self.names)}: {_some(self.names)}",
            )
        places = {name: index for index, name in enumerate(rows.names)}
        return [places[name] for name in self.names]

    def _numbers(self, rows: Rows) -> Array:
        import numpy as np

        for i, row in enumerate(rows.cells):
            for name, value in zip(rows.names, row, strict=True):
                if value is not None and not isinstance(value, int | float):
                    raise RequestError(f"row {i}, '{name}': {value!r} is not a number")
        return np.asarray(rows.cells, dtype=np.float64)

    def _frame(self, rows: Rows) -> Any:
        import pandas as pd

        if not rows.cells:
            raise RequestError("there are no rows")
        order = self._columns(rows) or list(range(len(self.names)))
        columns = {}
        for feature, place in zip(self.signature.features, order, strict=True):
            values = [row[place] for row in rows.cells]
            columns[feature.name] = _column(feature.name, feature.type, values)
        return pd.DataFrame(columns)

    def _as_frame(self, matrix: Array) -> Any:
        import pandas as pd

        return pd.DataFrame(matrix, columns=self.names)


def load_served(store: Store, version: ServedVersion) -> ServedModel:
    """Load a version, check its digest and its golden rows."""
    ref: ModelRef = version.model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        served = ServedModel(version, load_model(store, ref))
        served.check_golden()
    return served


def _direct_pipeline(pipeline: Any) -> Any | None:
    """Give the same pipeline without the dispatch by column name, for matrices in the signature's order.

    Only for pipelines that `train` makes: the estimator alone, or one group of number columns before it.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    if not isinstance(pipeline, Pipeline):
        return None
    steps = [step for _, step in pipeline.steps]
    if isinstance(steps[0], ColumnTransformer):
        groups = [name for name, _, columns in steps[0].transformers_ if name != "remainder" or len(columns)]
        if groups != ["numbers"]:
            return None
        steps = [step for _, step in steps[0].named_transformers_["numbers"].steps] + steps[1:]
    direct = Pipeline([(f"step{i}", copy.deepcopy(step)) for i, step in enumerate(steps)])
    for _, step in direct.steps:
        if hasattr(step, "feature_names_in_"):
            del step.feature_names_in_
    return direct


def _column(name: str, kind: str, values: list[Any]) -> Any:
    import numpy as np

    wanted: dict[str, tuple[type, ...]] = {
        "float": (int, float), "integer": (int, float), "string": (str,), "boolean": (bool,),
    }  # fmt: skip
    for i, value in enumerate(values):
        wrong = not isinstance(value, wanted[kind]) or (isinstance(value, bool) and kind != "boolean")
        if value is not None and wrong:
            raise RequestError(f"row {i}, '{name}': {value!r} is not of type {kind}")
    if kind in _NUMBERS:
        column = np.asarray(values, dtype=np.float64)
        if np.isinf(column).any():
            raise RequestError(f"row {int(np.isinf(column).argmax())}, '{name}': the value is infinite")
        return column
    return np.asarray([np.nan if value is None else value for value in values], dtype=object)


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")  # noqa: PLR2004 (enough to see)
