"""A model as the server holds it: checked against its golden rows, and quick for one row."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ModelLoadError, RequestError
from mlops_provider.serving.features import Features
from mlops_provider.serving.payload import Rows
from mlops_provider.store.models import PREDICTION_COLUMN, LoadedModel, load_model

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

    Array = np.ndarray[Any, Any]

_TOLERANCE = 1e-9
_ARGMAX = ("sklearn.ensemble._hist_gradient_boosting", "sklearn.ensemble._forest", "sklearn.tree")
"""Where predict is, by its definition, the class with the highest probability: one computation gives both."""


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
        self.signature = loaded.signature
        self.features = Features(loaded.signature)
        self._direct = _direct_steps(loaded.pipeline) if self.features.numeric else None
        estimator = self._direct[-1] if self._direct else getattr(loaded.pipeline, "steps", [("", None)])[-1][1]
        self._argmax = bool(self.signature.classes) and type(estimator).__module__.startswith(_ARGMAX)
        self._has_probabilities = hasattr(loaded.pipeline, "predict_proba")

    def as_version(self, version: ServedVersion) -> ServedModel:
        """Give the same model under another version's name."""
        renamed = copy.copy(self)
        renamed.version = version
        return renamed

    def predict(self, rows: Rows, *, booleans: bool = True) -> Answer:
        """Predict; RequestError names what is wrong with the rows."""
        inputs = self.features.read(rows, booleans=booleans)
        try:
            return self._answer(inputs)
        except (ValueError, TypeError) as err:
            raise RequestError(f"the model does not take these values: {' '.join(str(err).split())[:300]}") from err

    def _answer(self, inputs: Any) -> Answer:
        if self._direct is None:
            model, given = self.loaded.pipeline, self.features.frame(inputs)
        else:
            model, given = self._direct[-1], inputs
            for step in self._direct[:-1]:
                given = step.transform(given)
        probabilities = model.predict_proba(given) if self._has_probabilities else None
        if self._argmax and probabilities is not None:
            return Answer(model.classes_[probabilities.argmax(axis=1)], probabilities, inputs)
        return Answer(model.predict(given), probabilities, inputs)

    def check_golden(self) -> None:
        """Predict the golden rows the way requests are; ModelLoadError when an answer is not that of the training."""
        import numpy as np

        golden = self.loaded.golden()
        expected = golden[PREDICTION_COLUMN].to_numpy()
        frame = golden[self.features.names]
        cells = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
        if "timestamp" in self.features.types:
            cells = [[_text(value) for value in row] for row in cells]
        try:
            found = self.predict(Rows(self.features.names, cells)).predictions
        except RequestError as err:
            raise ModelLoadError(f"the golden rows cannot be predicted: {err.message}") from err
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


def load_served(store: Store, version: ServedVersion) -> ServedModel:
    """Load a version, check its digest and its golden rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        served = ServedModel(version, load_model(store, version.model))
        served.check_golden()
    return served


def _direct_steps(pipeline: Any) -> list[Any] | None:
    """Give the steps of a pipeline for matrices in the signature's order, without the dispatch by column name.

    Only for pipelines that `train` makes: the estimator alone, or one group of number columns before it.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    if not isinstance(pipeline, Pipeline):
        return None
    steps = [step for _, step in pipeline.steps]
    if len(steps) > 1:
        first = steps[0]
        if not isinstance(first, ColumnTransformer) or list(first.named_transformers_) != ["numbers"]:
            return None
        if list(first.transformers_[0][2]) != list(first.feature_names_in_):
            return None
        steps = [step for _, step in first.named_transformers_["numbers"].steps] + steps[1:]
    direct = [copy.copy(step) for step in steps]
    for step in direct:
        if hasattr(step, "feature_names_in_"):
            del step.feature_names_in_
    return direct


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
