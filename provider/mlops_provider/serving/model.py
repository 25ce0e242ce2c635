"""A model as the server holds it: checked against its golden rows, and quick for one row."""

from __future__ import annotations

import copy
import logging
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ModelLoadError, RequestError
from mlops_provider.serving.features import Features
from mlops_provider.serving.payload import Rows
from mlops_provider.store.models import PREDICTION_COLUMN, LoadedModel, label_probabilities, load_model

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

    Array = np.ndarray[Any, Any]

EXTREME = 1e15
"""Numbers larger than this may be answered with a refusal; smaller ones a model must be able to answer."""
SLOW_SECONDS = 0.02
_LOG = logging.getLogger(__name__)
_ROW_BY_ROW = frozenset({"classification", "multilabel", "regression"})
_TOLERANCE, _SINGLE_TOLERANCE = 1e-9, 1e-5
"""How far golden answers may differ, for doubles and for single floats: sums in another order."""
_ARGMAX = ("sklearn.ensemble._hist_gradient_boosting", "sklearn.ensemble._forest", "sklearn.tree")
"""Where predict is, by its definition, the class with the highest probability: one computation gives both."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Predictions of n rows; `probabilities` are n x classes or None; `inputs` is what the model saw, by column."""

    predictions: Array
    probabilities: Array | None
    inputs: Any

    def part(self, start: int, stop: int) -> Answer:
        """Give the answer for some of the rows."""
        inputs = self.inputs[start:stop]
        probabilities = None if self.probabilities is None else self.probabilities[start:stop]
        return Answer(self.predictions[start:stop], probabilities, inputs)


class NotFiniteError(Exception):
    """A model gave NaN or infinity for values that are not extreme."""


class ServedModel:
    """One version in memory. `slow` says that one row takes so long that others must be answered meanwhile."""

    def __init__(self, version: ServedVersion, loaded: LoadedModel) -> None:
        self.version = version
        self.loaded = loaded
        self.signature = loaded.signature
        self.features = Features(loaded.signature)
        self._direct = _direct_steps(loaded.pipeline) if self.features.numeric else None
        estimator = self._direct[-1] if self._direct else getattr(loaded.pipeline, "steps", [("", None)])[-1][1]
        self._argmax = bool(self.signature.classes) and type(estimator).__module__.startswith(_ARGMAX)
        self._has_probabilities = hasattr(loaded.pipeline, "predict_proba")
        self.batches = self.signature.task in _ROW_BY_ROW
        self.slow = False
        self.engine = "scikit-learn"
        self._fast: Callable[[Any], Answer] | None = None

    def as_version(self, version: ServedVersion) -> ServedModel:
        """Give the same model under another version's name."""
        renamed = copy.copy(self)
        renamed.version = version
        return renamed

    def predict(self, rows: Rows, *, booleans: bool = True) -> Answer:
        """Predict; RequestError names what is wrong with the rows."""
        return self.answer(self.features.read(rows, booleans=booleans))

    def answer(self, inputs: Any) -> Answer:
        """Predict for what `features.read` gave.

        RequestError: the model does not take these values; NotFiniteError: it gave NaN or infinity for ordinary ones.
        """
        try:
            answer = self._fast(inputs) if self._fast else self._answer(inputs)
        except (ValueError, TypeError) as err:
            raise RequestError(f"the model does not take these values: {' '.join(str(err).split())[:300]}") from err
        if answer.predictions.dtype.kind == "f":
            self._check_finite(answer)
        return answer

    def answer_each(self, inputs: list[Any]) -> list[Answer | Exception]:
        """Predict several requests at once; where that fails, one by one, so that each gets its own answer or error."""
        if len(inputs) > 1:
            import numpy as np
            import pandas as pd

            try:
                whole = pd.concat(inputs, ignore_index=True) if _is_frame(inputs[0]) else np.concatenate(inputs)
                answer = self.answer(whole)
            except Exception:  # noqa: BLE001 (the fault of one of them: it is found below)
                _LOG.debug("a batch of %d failed", len(inputs))
            else:
                ends = np.cumsum([len(given) for given in inputs]).tolist()
                return [answer.part(start, stop) for start, stop in zip([0, *ends], ends, strict=False)]
        found: list[Answer | Exception] = []
        for given in inputs:
            try:
                found.append(self.answer(given))
            except Exception as err:  # noqa: BLE001 (given to the one who asked)
                found.append(err)
        return found

    def use(self, fast: Callable[[Any], Answer], engine: str) -> None:
        """Predict by another engine from now on."""
        self._fast, self.engine = fast, engine

    def slow_answer(self, inputs: Any) -> Answer:
        """Predict by scikit-learn, whatever engine is in use: what another engine is compared with."""
        return self._answer(inputs)

    def direct_pipeline(self) -> Any:
        """Give the pipeline for matrices in the signature's order, or None where columns are picked by name."""
        from sklearn.pipeline import make_pipeline

        return make_pipeline(*self._direct) if self._direct else None

    def golden_inputs(self) -> Any:
        """Give the golden rows as requests bring them."""
        return self.features.read(self.golden_rows())

    def golden_rows(self) -> Rows:
        """Give the golden rows as JSON would: missing values None, times as text."""
        frame = self.loaded.golden()[self.features.names]
        cells = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
        if "timestamp" in self.features.types:
            cells = [[_text(value) for value in row] for row in cells]
        return Rows(self.features.names, cells)

    def _check_finite(self, answer: Answer) -> None:
        import numpy as np

        finite = np.isfinite(answer.predictions).reshape(len(answer.predictions), -1).all(axis=1)
        if finite.all():
            return
        row = int((~finite).argmax())
        inputs = answer.inputs
        given = self.features.frame(inputs).iloc[[row]].select_dtypes("number").to_numpy()
        if (np.abs(given) > EXTREME).any():
            raise RequestError(f"row {row}: the model gives no finite number for values as large as these")
        raise NotFiniteError(f"version {self.version.version} gave {answer.predictions[row]} for row {row}")

    def _answer(self, inputs: Any) -> Answer:
        if self._direct is None:
            model, given = self.loaded.pipeline, self.features.frame(inputs)
        else:
            model, given = self._direct[-1], inputs
            for step in self._direct[:-1]:
                given = step.transform(given)
        probabilities = label_probabilities(model, model.predict_proba(given)) if self._has_probabilities else None
        if self._argmax and probabilities is not None:
            return Answer(model.classes_[probabilities.argmax(axis=1)], probabilities, inputs)
        return Answer(model.predict(given), probabilities, inputs)

    def check_golden(self) -> None:
        """Predict the golden rows the way requests are; ModelLoadError when an answer is not that of the training."""
        import numpy as np

        expected = self.loaded.golden()[PREDICTION_COLUMN].to_numpy()
        rows = self.golden_rows()
        if self.signature.labels:
            expected = np.stack(list(expected))
        try:
            found = self.predict(rows).predictions
            started = time.perf_counter()
            self.predict(Rows(rows.names, rows.cells[:1]))
            self.slow = time.perf_counter() - started > SLOW_SECONDS
        except (RequestError, NotFiniteError) as err:
            raise ModelLoadError(f"the golden rows cannot be predicted: {err}") from err
        if expected.dtype.kind == "f":
            tolerance = _SINGLE_TOLERANCE if expected.dtype == np.float32 else _TOLERANCE
            same = np.isclose(found.astype(float), expected, rtol=tolerance, atol=tolerance)
        else:
            same = np.asarray(found == expected).reshape(len(expected), -1).all(axis=1)
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

    Only for pipelines that `train` makes: the estimator alone, or one group of number columns before it, in steps of
    scikit-learn's own; another's may look at the names.
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
        numbers = [step for _, step in first.named_transformers_["numbers"].steps]
        if not all(type(step).__module__.startswith("sklearn.") for step in numbers):
            return None
        steps = numbers + steps[1:]
    direct = [copy.copy(step) for step in steps]
    for step in direct:
        if hasattr(step, "feature_names_in_"):
            del step.feature_names_in_
    return direct


def _is_frame(inputs: Any) -> bool:
    return hasattr(inputs, "columns")


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
