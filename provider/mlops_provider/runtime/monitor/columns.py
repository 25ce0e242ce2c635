"""A look at each column before any score: what cannot be compared is reported, and does not lose the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.store.models import Signature


@dataclass(frozen=True, slots=True)
class Comparable:
    """Baseline and window with the same feature columns, and why the other columns were left out."""

    baseline: pd.DataFrame
    window: pd.DataFrame
    numbers: list[str]
    categories: list[str]
    bad: dict[str, str]


def compare_columns(signature: Signature, baseline: pd.DataFrame, window: pd.DataFrame) -> Comparable:
    """Bring both sides to the same columns and types; infinite values count as missing."""
    import numpy as np
    import pandas as pd

    left, right = {}, {}
    numbers: list[str] = []
    categories: list[str] = []
    bad: dict[str, str] = {}
    for feature in signature.features:
        logged = f"{FEATURE_PREFIX}{feature.name}"
        if logged not in window:
            bad[feature.name] = "is not in the prediction log"
            continue
        if feature.type in {"float", "integer"}:
            sides = [
                pd.to_numeric(column, errors="coerce").astype(float)
                for column in (baseline[feature.name], window[logged])
            ]
            before, after = (side.replace([np.inf, -np.inf], np.nan) for side in sides)
            kind = numbers
        else:
            before, after = (
                column.astype("string").astype(object) for column in (baseline[feature.name], window[logged])
            )
            kind = categories
        if before.isna().all() or after.isna().all():
            bad[feature.name] = f"has no value in the {'baseline' if before.isna().all() else 'window'}"
            continue
        left[feature.name], right[feature.name] = before, after
        kind.append(feature.name)
    return Comparable(pd.DataFrame(left), pd.DataFrame(right), numbers, categories, bad)


def missing_shares(signature: Signature, window: pd.DataFrame) -> dict[str, float]:
    """Give the share of missing or infinite values of each feature in the window; a column that is gone is 1."""
    import numpy as np

    shares = {}
    for feature in signature.features:
        logged = f"{FEATURE_PREFIX}{feature.name}"
        if logged not in window:
            shares[feature.name] = 1.0
            continue
        column = window[logged]
        missing = column.isna()
        if feature.type in {"float", "integer"}:
            missing |= np.isinf(column.astype(float))
        shares[feature.name] = float(missing.mean())
    return shares
