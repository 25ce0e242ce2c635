"""A look at each column before any score: what cannot be compared is named, and does not lose the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_provider.store.models import Signature

NUMBERS = frozenset({"float", "integer"})
_NEARLY_ALWAYS = 0.9


@dataclass(slots=True)
class Comparable:
    """The columns of baseline and window that can be compared, in one type each.

    `bad` says of the others why not; they count as drifted. `notes` say what is odd about a column although it can
    be compared, or that it has nothing to compare on either side. Times are in none of them: they always move on.
    """

    baseline: dict[str, pd.Series[Any]] = field(default_factory=dict)
    window: dict[str, pd.Series[Any]] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of features that could drift."""
        return len(self.numbers) + len(self.categories) + len(self.bad)


def compare_columns(signature: Signature, baseline: pd.DataFrame, window: pd.DataFrame) -> Comparable:
    """Bring both sides of every feature to one type; infinite values count as missing."""
    found = Comparable()
    for feature in signature.features:
        logged = f"{FEATURE_PREFIX}{feature.name}"
        if feature.type == "timestamp":
            continue
        if logged not in window:
            found.bad[feature.name] = "is not in the prediction log"
        elif feature.name not in baseline:
            found.bad[feature.name] = "is not in the baseline"
        else:
            _compare(feature.name, feature.type, baseline[feature.name], window[logged], found)
    return found


def compare_frames(kinds: Mapping[str, str], baseline: pd.DataFrame, window: pd.DataFrame) -> Comparable:
    """Bring both sides of the columns named in `kinds` (column -> float, integer or string) to one type."""
    found = Comparable()
    for name, kind in kinds.items():
        if name not in window or name not in baseline:
            found.bad[name] = f"is not in the {'data' if name not in window else 'baseline'}"
        else:
            _compare(name, kind, baseline[name], window[name], found)
    return found


def missing_shares(signature: Signature, window: pd.DataFrame) -> dict[str, float]:
    """Give the share of each feature's values that are missing, infinite or of a wrong type; 1 when it is gone."""
    shares = {}
    for feature in signature.features:
        logged = f"{FEATURE_PREFIX}{feature.name}"
        column = window.get(logged)
        shares[feature.name] = 1.0 if column is None else float(values_of(feature.type, column).isna().mean())
    return shares


def values_of(kind: str, column: pd.Series[Any]) -> pd.Series[Any]:
    """Give a column's values: finite floats for numbers, text for categories, NaN or None where there is none."""
    import numpy as np
    import pandas as pd

    if kind in NUMBERS:
        return pd.to_numeric(column, errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)
    text = column.astype("string").astype(object)
    return text.where(text.notna(), None)


def _compare(name: str, kind: str, baseline: pd.Series[Any], window: pd.Series[Any], found: Comparable) -> None:
    before, after = values_of(kind, baseline), values_of(kind, window)
    lost = int((after.isna() & window.notna()).sum())
    infinite = _infinite(window) if kind in NUMBERS else 0
    if lost > infinite:
        found.bad[name] = f"has text instead of numbers ({lost - infinite:,} rows)"
    elif before.isna().all() and after.isna().all():
        found.notes[name] = "has no value, in the baseline neither"
    elif after.isna().all():
        found.bad[name] = "has only infinite values" if infinite == len(window) else "has no value any more"
    elif before.isna().all():
        found.bad[name] = "has values, which it had not in the baseline"
    else:
        found.baseline[name], found.window[name] = before, after
        (found.numbers if kind in NUMBERS else found.categories).append(name)
        if infinite:
            found.notes[name] = f"has infinite values ({infinite:,} rows)"
        elif (only := _only_value(after)) is not None and (before == only).mean() < _NEARLY_ALWAYS:
            found.notes[name] = f"is always {only}"


def _only_value(column: pd.Series[Any]) -> Any:
    values = column.dropna()
    return values.iloc[0] if (values == values.iloc[0]).all() else None


def _infinite(column: pd.Series[Any]) -> int:
    import numpy as np
    import pandas as pd

    return int(np.isinf(pd.to_numeric(column, errors="coerce").astype(float)).sum())
