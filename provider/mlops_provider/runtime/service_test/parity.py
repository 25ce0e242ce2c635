"""Golden parity: the service answers the golden rows as the model did when it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.store.models import PREDICTION_COLUMN

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.service_test.endpoint import Endpoint

_TOLERANCE, _SINGLE_TOLERANCE = 1e-9, 1e-5


def golden_mismatches(endpoint: Endpoint, golden: pd.DataFrame) -> tuple[int, str]:
    """Count golden rows that are answered otherwise, and say what of the first; all, where no answers came."""
    import numpy as np

    reply = endpoint.ask(endpoint.rows(golden), count=len(golden))
    if reply.predictions is None:
        return len(golden), f"the golden rows got {reply.said()}"
    expected = golden[PREDICTION_COLUMN].to_numpy()
    found = np.asarray(reply.predictions)
    if endpoint.signature.labels:
        expected = np.stack(list(expected))
        same = (found == expected).all(axis=1)
    elif expected.dtype.kind == "f":
        tolerance = _SINGLE_TOLERANCE if expected.dtype == np.float32 else _TOLERANCE
        same = np.isclose(found.astype(float), expected, rtol=tolerance, atol=tolerance)
    else:
        same = found.astype(object) == expected.astype(object)
    if same.all():
        return 0, ""
    first = int((~same).argmax())
    return int(
        (~same).sum()
    ), f"golden row {first} gives {found[first]!s}, at training time it gave {expected[first]!s}"
