"""The model folder: what a published model consists of, and how it is loaded.

Files: `model.skops` (skops, normalised so that equal models have equal bytes) or the files of a class that loads itself
(`model_file`), `golden.parquet` (rows with the prediction that the model gave when it was trained), `baseline.parquet`
(a bounded sample of the training data with predictions), `profile.json` (counts and distributions of all training rows,
for people) and `columns.parquet` (their profiles that add up, for monitors; that of the predictions is of the sample).
Signature, lineage and the requirements stand in the manifest. There is no `MLmodel` file: MLflow's loaders take the
list of trusted types from the model itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.store.frame import read_parquet
from mlops_provider.store.model_file import read_model, write_model
from mlops_provider.store.store import json_bytes
from mlops_provider.store.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from mlops_provider.refs import ModelRef
    from mlops_provider.store.store import Content, Store

GOLDEN_FILE = "golden.parquet"
BASELINE_FILE = "baseline.parquet"
PROFILE_FILE = "profile.json"
COLUMNS_FILE = "columns.parquet"
PREDICTION_COLUMN = "__prediction__"
"""Column of golden and baseline rows that holds the model's prediction."""

FeatureType = Literal["float", "integer", "string", "boolean", "timestamp"]
Task = Literal["classification", "multilabel", "regression", "ranking", "forecasting"]
Kind = Literal["binary", "multiclass", "multilabel", "regression", "ranking", "forecasting"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input column of a model; `categories` are the values seen in training, for strings and booleans."""

    name: str
    type: FeatureType
    categories: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a model takes and gives.

    `classes` are the labels in the order of the probabilities. A multilabel model has `labels`, its columns of yes and
    no, in the order of its answers (n x labels), and `target` is their names joined by commas. `query` names the column
    whose equal values are ranked together, `timestamp` the one that orders the rows of a forecast, `season` after how
    many rows its pattern repeats; neither column is a feature.
    """

    task: Task
    features: tuple[Feature, ...]
    target: str
    target_type: FeatureType
    classes: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    query: str = ""
    timestamp: str = ""
    season: int = 1

    def names(self) -> list[str]:
        """Give the names of the features, in the model's order."""
        return [feature.name for feature in self.features]

    def targets(self) -> list[str]:
        """Give the columns that hold the truth: one, or one for each label."""
        return list(self.labels) or [self.target]

    @property
    def answer_type(self) -> FeatureType:
        """The type of answers and of true values: numbers are predicted with fractions, whole as the target may be."""
        return self.target_type if self.task in {"classification", "multilabel"} else "float"

    @property
    def kind(self) -> Kind:
        """Which metrics apply: the task, of a classification whether it has two classes or more."""
        if self.task == "classification":
            return "binary" if len(self.classes) == 2 else "multiclass"  # noqa: PLR2004 (two classes)
        return self.task

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, as it stands in the manifest under 'signature'."""
        features = [{"name": f.name, "type": f.type, "categories": list(f.categories)} for f in self.features]
        return {
            "task": self.task,
            "features": features,
            "target": self.target,
            "target_type": self.target_type,
            "classes": list(self.classes),
            "labels": list(self.labels),
            "query": self.query,
            "timestamp": self.timestamp,
            "season": self.season,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make a signature from its JSON form."""
        features = tuple(Feature(f["name"], f["type"], tuple(f["categories"])) for f in value["features"])
        return cls(
            task=value["task"],
            features=features,
            target=value["target"],
            target_type=value["target_type"],
            classes=tuple(value["classes"]),
            labels=tuple(value["labels"]),
            query=value["query"],
            timestamp=value["timestamp"],
            season=value["season"],
        )


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with what was published beside it."""

    ref: ModelRef
    signature: Signature
    pipeline: Any
    content: Content

    @cached_property
    def lineage(self) -> dict[str, Any]:
        """Where the model comes from."""
        return dict(self.content.meta.get("lineage", {}))

    def predict(self, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Predict for a frame with the signature's columns; gives n values, or n x labels."""
        return self.pipeline.predict(frame[self.signature.names()])  # type: ignore[no-any-return]

    def probabilities(self, frame: pd.DataFrame) -> np.ndarray[Any, Any] | None:
        """Give the probability of each class (n x classes), of each label (n x labels), or None where there is none."""
        if not hasattr(self.pipeline, "predict_proba"):
            return None
        return label_probabilities(self.pipeline, self.pipeline.predict_proba(frame[self.signature.names()]))

    def golden(self) -> pd.DataFrame:
        """Give the golden rows: features and, in PREDICTION_COLUMN, the prediction at training time."""
        return read_parquet(self.content.folder / GOLDEN_FILE)

    def baseline(self) -> pd.DataFrame:
        """Give the baseline sample: features, target and, in PREDICTION_COLUMN, the prediction."""
        return read_parquet(self.content.folder / BASELINE_FILE)

    def profile(self) -> dict[str, Any] | None:
        """Give the profile of all training rows, where the model has one."""
        path = self.content.folder / PROFILE_FILE
        return json.loads(path.read_text()) if path.exists() else None


def label_probabilities(model: Any, found: Any) -> np.ndarray[Any, Any]:
    """Give probabilities as one array: scikit-learn's lists of n x 2, one for each label, become n x labels."""
    if not isinstance(found, list):
        return found  # type: ignore[no-any-return]
    import numpy as np

    every = getattr(model, "classes_", None) or [np.array([0, 1])] * len(found)
    yes = [
        each[:, list(classes).index(1)] if 1 in list(classes) else np.zeros(len(each))
        for each, classes in zip(found, every, strict=True)
    ]
    return np.stack(yes, axis=1)


def save_model(
    folder: Path,
    pipeline: Any,
    *,
    golden: pd.DataFrame,
    baseline: pd.DataFrame,
    profile: Mapping[str, Any] | None = None,
    trust: Trust | None = None,
) -> None:
    """Write the files of a model into a scratch folder; equal models give equal bytes.

    A model that could not be loaded again raises an MlopsError.
    """
    write_model(folder, pipeline, trust or Trust.from_environment())
    for name, frame in ((GOLDEN_FILE, golden), (BASELINE_FILE, baseline)):
        frame.to_parquet(folder / name, index=False)
    if profile is not None:
        (folder / PROFILE_FILE).write_bytes(json_bytes(profile))


def load_model(store: Store, ref: ModelRef) -> LoadedModel:
    """Load a model after its bytes were checked against its digest, within what whoever opened the store trusts.

    Types and classes beyond raise ModelLoadError; nothing of the files has run by then.
    """
    content = store.open(ref, verify=True)
    pipeline = read_model(content.folder, store.trust)
    return LoadedModel(ref, Signature.from_dict(content.meta["signature"]), pipeline, content)
