"""What the page to try a prediction by hand shows: features, a golden row, and whether the row is a small picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_provider.serving.model import ServedModel

_SMALLEST, _LARGEST = 4, 64
_ROWS = 12


def try_form(served: ServedModel) -> dict[str, Any]:
    """Describe the form: fields in the model's order, golden rows with the answers of the training, the picture."""
    from mlops_provider.store.models import PREDICTION_COLUMN

    signature = served.signature
    rows = served.golden_rows().cells[:_ROWS]
    answers = served.loaded.golden()[PREDICTION_COLUMN].tolist()[:_ROWS]
    fields = [{"name": f.name, "type": f.type, "categories": list(f.categories)} for f in signature.features]
    return {
        "service": served.loaded.ref.name,
        "version": served.version.version,
        "task": signature.task,
        "target": signature.target,
        "classes": list(signature.classes),
        "fields": fields,
        "rows": rows,
        "answers": answers,
        "picture": _picture(served),
    }


def _picture(served: ServedModel) -> dict[str, Any] | None:
    """Give side and brightest value where the features are the pixels of a square picture, row by row."""
    names, side = served.features.names, math.isqrt(len(served.features.names))
    if not served.features.numeric or side * side != len(names) or not _SMALLEST <= side <= _LARGEST:
        return None
    if not all("pix" in name.lower() for name in names):
        return None
    values = served.loaded.baseline()[names].to_numpy(dtype=float)
    if not (values >= 0).all():
        return None
    return {"side": side, "brightest": float(values.max())}
