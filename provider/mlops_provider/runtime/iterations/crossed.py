"""Two models on two sets of rows: whether a metric fell because the rows became harder or the model worse.

The four scores split a fall exactly in two, as the Shapley value of two players does (Shapley 1953): what changing
the rows costs, and what changing the model costs, each the mean over both orders of changing them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.refs import DatasetRef, ModelRef
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.sql import columns_of, identifier
from mlops_provider.runtime.table import connect, read_frame, scan
from mlops_provider.store.models import load_model

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.records import Record
    from mlops_provider.store.models import LoadedModel
    from mlops_provider.store.store import Store

MOST_ROWS = 200_000
"""Of larger sets every n-th row is scored."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """A metric of each model on each set of rows, `old_new` is the old model on the new rows.

    `sign` is 1 where higher is better, -1 where lower is (of bias, its size); `seen` are the new rows that equal a row
    which the old model learned from: its score on them flatters it. `rows` are the numbers of rows scored.
    """

    metric: str
    sign: int
    old_old: float
    old_new: float
    new_old: float
    new_new: float
    rows: tuple[int, int]
    seen: int = 0

    @property
    def fall(self) -> float:
        """By how much the metric got worse."""
        return self.sign * (self.old_old - self.new_new)

    @property
    def by_rows(self) -> float:
        """What of the fall comes with the rows."""
        return self.sign * ((self.old_old - self.old_new) + (self.new_old - self.new_new)) / 2

    @property
    def by_model(self) -> float:
        """What of the fall comes with the model."""
        return self.sign * ((self.old_old - self.new_old) + (self.old_new - self.new_new)) / 2

    @property
    def meaning_changed(self) -> bool:
        """Whether each model does well on its own rows and worse on the other's, by more than the fall itself.

        Then it is not that one model or one set of rows is the harder one: what the rows say is another thing.
        """
        own, others = (self.old_old, self.new_new), (self.old_new, self.new_old)
        return min(self.sign * value for value in own) - max(self.sign * value for value in others) > max(self.fall, 0)

    def share_of_rows(self) -> float | None:
        """Give the share of the fall that comes with the rows, from 0 to 1; what eases the fall counts as none.

        None where nothing fell, or where the meaning of the rows changed: then rows and model cannot be told apart.
        """
        if self.fall <= 0 or self.meaning_changed:
            return None
        rows, model = max(self.by_rows, 0.0), max(self.by_model, 0.0)
        return rows / (rows + model) if rows + model else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "fall": self.fall, "by_rows": self.by_rows, "by_model": self.by_model} | {
            "meaning_changed": self.meaning_changed
        }


def cross(store: Store, metric: str, direction: str, earlier: Record, later: Record, learned: Record | None) -> Crossed:
    """Score both models on both sets of rows; `learned` is the record of the old model's training.

    MlopsError says why there are no four scores: something is gone, or a model does not fit the other's rows.
    """
    data = [_dataset(record) for record in (earlier, later)]
    sides = [evaluated(store, record) for record in (earlier, later)]
    models, frames = [model for model, _ in sides], [frame for _, frame in sides]
    scores = [[_score(model, frame, metric) for frame in frames] for model in models]
    if direction == "zero":
        scores = [[abs(score) for score in row] for row in scores]
    seen = _seen(store, learned, data[1], models[0]) if learned and data[0].digest != data[1].digest else 0
    return Crossed(
        metric,
        1 if direction == "higher" else -1,
        old_old=scores[0][0],
        old_new=scores[0][1],
        new_old=scores[1][0],
        new_new=scores[1][1],
        rows=(len(frames[0]), len(frames[1])),
        seen=seen,
    )


def evaluated(store: Store, record: Record) -> tuple[LoadedModel, pd.DataFrame]:
    """Give the model that an evaluation looked at, and the rows, bounded."""
    return load_model(store, _model(record)), _bounded(read_frame(store, _dataset(record)))


def _dataset(record: Record) -> DatasetRef:
    refs = record["inputs"].get("data") or []
    if len(refs) != 1:
        raise DataError(f"{record['phase']} of run {record['run_id']} has not one dataset")
    return DatasetRef(uri=refs[0]["uri"], digest=refs[0]["digest"], rows=refs[0]["rows"])


def _model(record: Record) -> ModelRef:
    refs = record["inputs"].get("model") or []
    if len(refs) != 1:
        raise DataError(f"{record['phase']} of run {record['run_id']} has not one model")
    return ModelRef(uri=refs[0]["uri"], digest=refs[0]["digest"])


def _bounded(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:: -(-len(frame) // MOST_ROWS)] if len(frame) > MOST_ROWS else frame


def _score(model: LoadedModel, frame: pd.DataFrame, metric: str) -> float:
    undefined: dict[str, str] = {}
    found = Answers.of(model, frame).measure([metric], undefined)
    if metric not in found:
        raise DataError(f"{metric} has no value there: {undefined.get(metric, 'it is not defined')}")
    return found[metric]


def _seen(store: Store, learned: Record, rows: DatasetRef, model: LoadedModel) -> int:
    """Count the rows that are equal, in features and target, to one that the model learned from."""
    refs = learned["inputs"].get("data") or []
    if len(refs) != 1:
        return 0
    known = DatasetRef(uri=refs[0]["uri"], digest=refs[0]["digest"], rows=refs[0]["rows"])
    with store.scratch() as folder, connect(folder) as connection:
        sources = [scan(store, ref) for ref in (rows, known)]
        there = set.intersection(*(set(columns_of(connection, f"SELECT * FROM {each}")) for each in sources))
        wanted = [*model.signature.names(), *model.signature.targets()]
        if not there.issuperset(wanted):
            return 0
        names = ", ".join(map(identifier, wanted))
        query = (
            f"SELECT count(*) FROM (SELECT {names} FROM {sources[0]} INTERSECT ALL SELECT {names} FROM {sources[1]})"
        )
        return int((connection.execute(query).fetchone() or (0,))[0])
