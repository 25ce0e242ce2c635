"""Which parts of the rows changed: segments that grew or shrank, and those in which a column moved most."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.monitor.causes.moved import Moved
    from mlops_provider.runtime.monitor.look import Look

MOST_VALUES = 20
LEAST_ROWS = 30
SHOWN = 3
_CHANGED = 0.1
_SIDES = 2.0
_SURE = 3.3
"""Standard errors beyond which a share is another one: p = 0.001 in a normal test of two shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A segment: its share of the rows before and now, or how far a column moved in it and in the rest."""

    segment: str
    rows: int
    says: str
    size: float

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def changed_parts(look: Look, moved: list[Moved]) -> list[Part]:
    """Give the segments that changed most, of the monitor's segments, else of every feature with few values."""
    before, after = look.baseline, look.answered
    found: list[Part] = []
    for column in _columns(look):
        name = FEATURE_PREFIX + column
        if column in look.baseline_profiles and column in look.profiles:
            found += _sizes(column, look.baseline_profiles[column], look.profiles[column])
        if moved and moved[0].column != column and name in after and column in before:
            sides = _text(before[column]), _text(after[name])
            found += _within(moved[0].column, column, sides, before, after)
    return sorted(found, key=lambda part: (-part.size, part.segment))[:SHOWN]


def _columns(look: Look) -> list[str]:
    """Give the features that cut the rows."""
    if look.config.segments:
        return list(look.config.segments)
    profiles = look.baseline_profiles
    return [
        name
        for name in look.signature.names()
        if name in profiles and 1 < len(profiles[name].categories) <= MOST_VALUES and profiles[name].kind != "text"
    ]


def _text(values: pd.Series[Any]) -> pd.Series[str]:
    return values.astype("string").fillna("missing")


def _finite(values: pd.Series[Any]) -> pd.Series[Any]:
    return values.where(values.abs() < float("inf"))


def _sizes(column: str, before: ColumnProfile, after: ColumnProfile) -> list[Part]:
    """Give the values whose share is another one, by a test of two shares that a small window does not pass."""
    found: list[Part] = []
    if not before.rows or not after.rows:
        return found
    old, new = ({**side.categories, "missing": side.missing} for side in (before, after))
    for value in sorted({*old, *new}):
        shares = old.get(value, 0) / before.rows, new.get(value, 0) / after.rows
        apart = shares[1] - shares[0]
        pooled = (old.get(value, 0) + new.get(value, 0)) / (before.rows + after.rows)
        error = (pooled * (1 - pooled) * (1 / before.rows + 1 / after.rows)) ** 0.5
        if abs(apart) >= _CHANGED and abs(apart) > _SURE * error:
            segment = f"{column} = {value}"
            says = f"{segment} is {shares[1]:.0%} of the rows, {shares[0]:.0%} in the baseline"
            found.append(Part(segment=segment, rows=new.get(value, 0), says=says, size=abs(apart)))
    return found


def _within(
    moved: str,
    column: str,
    sides: tuple[pd.Series[str], pd.Series[str]],
    before: pd.DataFrame,
    after: pd.DataFrame,
) -> list[Part]:
    """Give the segments in which a number moved at least twice as far as in the rest, in standard deviations."""
    name = FEATURE_PREFIX + moved
    if moved not in before or name not in after or before[moved].dtype.kind not in "iuf":
        return []
    was, now = _finite(before[moved]), _finite(after[name])
    spread = float(was.std()) or 1.0
    found = []
    for value in sorted(set(sides[1].unique())):
        here, there = sides[1] == value, sides[0] == value
        if min(here.sum(), (~here).sum(), there.sum(), (~there).sum()) < LEAST_ROWS:
            continue
        inside = abs(float(now[here].mean() - was[there].mean())) / spread
        outside = abs(float(now[~here].mean() - was[~there].mean())) / spread
        if inside >= _CHANGED and inside >= _SIDES * outside:
            segment = f"{column} = {value}"
            says = f"the mean of {moved} moved by {inside:.2f} sd where {segment}, by {outside:.2f} elsewhere"
            found.append(Part(segment=segment, rows=int(here.sum()), says=says, size=inside))
    return found
