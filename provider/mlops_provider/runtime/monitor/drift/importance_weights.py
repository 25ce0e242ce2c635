"""How much each feature matters to the version that answered: measured once for a model, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConflictError, DataError, MlopsError
from mlops_provider.runtime.explanation.importance import permutation_importances
from mlops_provider.store.documents import history, write_document
from mlops_provider.store.models import load_model

if TYPE_CHECKING:
    from mlops_provider.runtime.monitor.look import Look

ROWS = 1_000
REPEATS = 3


def importance_weights(look: Look) -> tuple[dict[str, float], str]:
    """Give the weight of every feature (they add up to 1), or why there are none.

    Permutation importance on rows of the training; what is not above chance weighs nothing.
    """
    try:
        served = look.served
    except DataError as err:  # a dataset is watched, and nothing is live
        return {}, err.message
    key = f"{look.context.workflow}/monitor/importances/{served.model.digest[:20]}"
    kept = history(look.store, key)
    if kept:
        data = kept[-1].data
    else:
        data = _measured(look)
        try:
            write_document(look.store, key, data, after=0)
        except ConflictError:  # another look was first, and measured the same
            data = history(look.store, key)[-1].data
    return dict(data["weights"]), str(data["why_not"])


def _measured(look: Look) -> dict[str, object]:
    from threadpoolctl import threadpool_limits

    try:
        model = load_model(look.store, look.served.model)
        frame = model.baseline()
        frame = frame.iloc[:: max(len(frame) // ROWS, 1)].head(ROWS)
        with threadpool_limits(1, user_api="openmp"):  # many short calls: threads would wait for one another
            found = permutation_importances(model, frame, repeats=REPEATS)
    except MlopsError as err:
        return {"weights": {}, "why_not": str(err)}
    kept = {one.columns[0]: 0.0 if one.noise else one.mean for one in found.columns}
    total = sum(kept.values())
    if total <= 0:
        return {"weights": {}, "why_not": "no feature matters more than chance"}
    return {"weights": {name: value / total for name, value in kept.items()}, "why_not": ""}
