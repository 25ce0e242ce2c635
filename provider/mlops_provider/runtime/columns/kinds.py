"""As what a column is profiled: from the type of a feature, and from what its values look like in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_provider.runtime.columns.profile import Kind
    from mlops_provider.store.models import Feature, FeatureType, Signature

_KINDS: dict[FeatureType, Kind] = {
    "float": "number",
    "integer": "number",
    "string": "category",
    "boolean": "boolean",
    "timestamp": "time",
}
_TEXT_WORDS = 3
_TEXT_SHARE = 0.2
_MANY_VALUES = 1000


def kind_of(feature: Feature, rows: int) -> Kind:
    """Give the kind of a feature; strings of three words or more that rarely come twice are texts."""
    values = [str(value) for value in feature.categories]
    rare = len(values) >= min(max(rows * _TEXT_SHARE, 1), _MANY_VALUES)
    if feature.type == "string" and rare and sum(len(v.split()) for v in values) >= _TEXT_WORDS * len(values):
        return "text"
    return _KINDS[feature.type]


def prediction_kind(signature: Signature) -> Kind | None:
    """Give the kind of what a model answers: a category where it answers classes; None of several labels at once."""
    if signature.task == "multilabel":
        return None
    return "category" if signature.task == "classification" else "number"
