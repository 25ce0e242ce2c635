"""The model folder: what a published model consists of, and how it is loaded.

Files: `model.skops` (skops, normalised so that equal models have equal bytes), `golden.parquet` (rows with the
prediction that the model gave when it was trained), `baseline.parquet` (a bounded sample of the training data with
predictions), `MLmodel` and `requirements.txt` (for MLflow's own tools).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_FILE = "model.skops"
GOLDEN_FILE = "golden.parquet"
BASELINE_FILE = "baseline.parquet"
PREDICTION_COLUMN = "__prediction__"
"""Column of golden and baseline rows that holds the model's prediction."""

FeatureType = Literal["float", "integer", "string", "boolean", "timestamp"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input column of a model; `categories` are the values seen in training, for strings and booleans."""

    name: str
    type: FeatureType
    categories: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a model takes and gives. `classes` are the labels in the order of the probabilities."""

    task: Literal["classification", "regression"]
    features: tuple[Feature, ...]
    target: str
    target_type: FeatureType
    classes: tuple[Any, ...] = ()

    def names(self) -> list[str]:
        """Give the names of the features, in the model's order."""
        return [feature.name for feature in self.features]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, as it stands in the manifest under 'signature'."""
        features = [{"name": f.name, "type": f.type, "categories": list(f.categories)} for f in self.features]
        return {
            "task": self.task,
            "features": features,
            "target": self.target,
            "target_type": self.target_type,
            "classes": list(self.classes),
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
        )
