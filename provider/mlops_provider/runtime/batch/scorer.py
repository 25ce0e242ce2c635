"""The scorer: a model answers for batches of rows, in the way that the model server does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError, MlopsError
from mlops_provider.runtime.sql import FLOATS, INTEGERS, require_columns
from mlops_provider.serving.features import NUMBERS
from mlops_provider.serving.model import Answer, ServedModel, load_served
from mlops_provider.serving.prediction_log import ANSWERED
from mlops_provider.store.frame import to_frame
from mlops_provider.store.services import ServedVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa

    from mlops_dag_factory.spec.predict import PredictSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.store.models import Signature
    from mlops_provider.store.store import Store

    Array = np.ndarray[Any, Any]

_SQL_TYPES = {
    "float": INTEGERS | FLOATS,
    "integer": INTEGERS | FLOATS,
    "string": {"VARCHAR"},
    "boolean": {"BOOLEAN"},
    "timestamp": {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"},
}


@dataclass(frozen=True)
class Scorer:
    """A model and the columns that a scored row has."""

    served: ServedModel
    keep: tuple[str, ...]
    probabilities: bool
    window: bool
    timestamp: str | None

    @classmethod
    def load(cls, store: Store, model: ModelRef, config: PredictSpec) -> Scorer:
        """Load a model as a server does, its golden rows checked; ConfigError where it cannot give what is wanted."""
        served = load_served(store, ServedVersion(version=model.version, model=model))
        gives = hasattr(served.loaded.pipeline, "predict_proba")
        if config.probabilities and not (gives and (served.signature.classes or served.signature.labels)):
            raise ConfigError("'probabilities: true', but the model gives no probabilities")
        column = [config.partitions.column] if config.partitions.column else []
        keep = tuple(dict.fromkeys([*config.keep, *column]))
        scorer = cls(served, keep, config.probabilities, config.window, config.timestamp)
        if taken := sorted(set(keep) & {*scorer.given}):
            raise ConfigError(f"a kept column is named as one that is written: {', '.join(taken)}")
        return scorer

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return self.served.signature

    @property
    def columns(self) -> list[str]:
        """The columns of the data that are read."""
        more = [self.timestamp] if self.timestamp else []
        return list(dict.fromkeys([*self.signature.names(), *self.keep, *more]))

    @cached_property
    def given(self) -> list[str]:
        """The columns that are added to the kept ones."""
        signature, classes = self.signature, [str(name) for name in self.signature.labels or self.signature.classes]
        names = [f"prediction_{label}" for label in signature.labels] or ["prediction"]
        names += ["probability"] if signature.classes else []
        names += [f"probability_{name}" for name in classes] if self.probabilities else []
        names += ["model_version", "model_digest"]
        if self.window:
            names += ["request_id", "row", "ts", "version", "status", "latency_ms"]
            names += [f"x_{name}" for name in signature.names()]
        return names

    def require(self, columns: Mapping[str, str], empty: Mapping[str, bool]) -> None:
        """Raise DataError for columns that are missing or of another type; `empty` are those without any value."""
        require_columns(columns, self.columns, "the data")
        for feature in self.signature.features:
            kind = columns[feature.name]
            if kind not in _SQL_TYPES[feature.type] and not empty[feature.name]:
                raise DataError(
                    f"column '{feature.name}' is {kind}, but the model learned it as {feature.type}",
                    hint="give it that type where it is read: ingest, columns",
                )

    def score(self, rows: pa.Table, *, partition: str, first: int) -> pa.Table:
        """Give the scored rows; `first` is the number of the first of them in its partition."""
        import numpy as np
        import pyarrow as pa

        answer = self._answer(rows, first)
        count = rows.num_rows
        columns: dict[str, Any] = {name: rows.column(name) for name in self.keep}
        columns |= self._answers(answer)
        columns["model_version"] = pa.array([self.served.version.version or None] * count, pa.string())
        columns["model_digest"] = pa.array([self.served.version.model.digest] * count, pa.string())
        if self.window:
            columns["request_id"] = pa.array([partition] * count, pa.string())
            columns["row"] = pa.array(np.arange(first, first + count, dtype=np.int32))
            moment = pa.timestamp("us", "UTC")
            columns["ts"] = rows.column(self.timestamp).cast(moment) if self.timestamp else pa.nulls(count, moment)
            columns["version"] = columns["model_version"]
            columns["status"] = pa.array(np.full(count, ANSWERED, dtype=np.int16))
            columns["latency_ms"] = pa.nulls(count, pa.float64())
            columns |= {f"x_{name}": rows.column(name) for name in self.signature.names()}
        return pa.table(columns)

    def _answer(self, rows: pa.Table, first: int) -> Answer:
        where = f"rows {first:,} to {first + rows.num_rows - 1:,}"
        try:
            return self.served.answer(self._inputs(rows, first))
        except MlopsError as err:
            raise DataError(f"{where}: {err.message}", hint=err.hint) from err
        except Exception as err:
            raise DataError(f"{where}: the model failed: {type(err).__name__}: {err}") from err

    def _inputs(self, rows: pa.Table, first: int) -> Any:
        """Give what `Features.read` makes of the same rows in a request: a matrix of doubles, or a frame."""
        import numpy as np

        names = self.signature.names()
        frame = to_frame(rows.select(names))
        for feature in self.signature.features:
            column = frame[feature.name]
            if feature.type in NUMBERS or column.isna().all():
                frame[feature.name] = column.astype("float64")
                self._check_finite(frame[feature.name].to_numpy(), feature.name, first)
            if feature.type in {"string", "boolean"}:
                frame[feature.name] = frame[feature.name].astype(object)
        return np.ascontiguousarray(frame.to_numpy(dtype=np.float64)) if self.served.features.numeric else frame

    @staticmethod
    def _check_finite(values: Array, name: str, first: int) -> None:
        import numpy as np

        if (infinite := np.isinf(values)).any():
            raise DataError(f"'{name}' is infinite in row {first + int(infinite.argmax())}")

    def _answers(self, answer: Answer) -> dict[str, Any]:
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        signature, predictions, probabilities = self.signature, answer.predictions, answer.probabilities
        if signature.labels:
            columns = {f"prediction_{label}": pa.array(predictions[:, i]) for i, label in enumerate(signature.labels)}
        else:
            kind = {"float": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}.get(signature.answer_type)
            columns = {"prediction": pa.array(predictions.tolist(), kind or pa.string())}
        if signature.classes:
            columns["probability"] = pa.nulls(len(predictions), pa.float64())
            if probabilities is not None:
                places = pd.Index(signature.classes).get_indexer(pd.Index(predictions))
                chosen = np.take_along_axis(probabilities, places[:, None], axis=1)[:, 0]
                columns["probability"] = pa.array(chosen.astype(np.float64))
        if self.probabilities and probabilities is not None:
            for i, name in enumerate(signature.labels or signature.classes):
                columns[f"probability_{name}"] = pa.array(probabilities[:, i].astype(np.float64))
        return columns
