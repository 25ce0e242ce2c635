"""Two sides compared column by column: what cannot be compared is named, and does not lose the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.profile import MOST_CATEGORIES
from mlops_provider.runtime.columns.scores import METHODS_OF, Method, default_method, score, set_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.columns.profile import ColumnProfile, Kind

_NEARLY_ALWAYS = 0.9


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a column is scored, and the score from which it counts as drifted."""

    method: Method | None = None
    threshold: float = 0.1


@dataclass(slots=True)
class Comparison:
    """Score, method and threshold of each column.

    `bad` says of the others why they have none; they count as drifted. `notes` say what is odd about a column although
    it can be compared, or that it has nothing to compare on either side. Times are in none of them unless a method is
    named for them: they always move on.
    """

    scores: dict[str, float] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of columns that could drift."""
        return len(self.scores) + len(self.bad)

    def drifted(self) -> list[tuple[float, str]]:
        """Give score and name of the columns that reach their thresholds, the largest first."""
        moved = ((value, name) for name, value in self.scores.items() if value >= self.thresholds[name])
        return sorted(moved, reverse=True)


def compare_columns(
    baseline: Mapping[str, ColumnProfile],
    window: Mapping[str, ColumnProfile],
    names: Mapping[str, Kind],
    *,
    default: Wanted,
    columns: Mapping[str, Wanted] | None = None,
    where: str = "the data",
) -> Comparison:
    """Score the columns `names` of a window against its baseline; `columns` says of some how.

    A method that a kind of column has not is its default. `where` is what the window's columns stand in.
    """
    found = Comparison()
    for name, kind in names.items():
        wanted = (columns or {}).get(name)
        if kind == "time" and (wanted is None or wanted.method is None):
            continue
        if name not in window or name not in baseline:
            found.bad[name] = f"is not in {where if name not in window else 'the baseline'}"
            continue
        _compare(name, baseline[name], window[name], wanted or default, found)
    return found


def method_of(kind: Kind, wanted: Method | None) -> Method:
    """Give the wanted method where the kind has it, else the default of the kind."""
    return wanted if wanted in METHODS_OF[kind] else default_method(kind)


def _compare(name: str, baseline: ColumnProfile, window: ColumnProfile, wanted: Wanted, found: Comparison) -> None:
    if window.wrong:
        belongs = "moments" if window.kind == "time" else "numbers"
        found.bad[name] = f"has text instead of {belongs} ({window.wrong:,} rows)"
    elif not baseline.values and not window.values:
        found.notes[name] = "has no value, in the baseline neither"
    elif not window.values:
        only_infinite = window.rows and window.infinite == window.rows
        found.bad[name] = "has only infinite values" if only_infinite else "has no value any more"
    elif not baseline.values:
        found.bad[name] = "has values, which it had not in the baseline"
    else:
        method = method_of(baseline.kind, wanted.method)
        try:
            value = score(baseline, window, method)
        except DataError as err:
            found.bad[name] = f"cannot be scored: {err}"
            return
        found.scores[name], found.methods[name], found.thresholds[name] = value, method, wanted.threshold
        if notes := _notes(baseline, window):
            found.notes[name] = "; ".join(notes)


def _notes(baseline: ColumnProfile, window: ColumnProfile) -> list[str]:
    """Say what is odd."""
    notes = []
    if window.infinite:
        notes.append(f"has infinite values ({window.infinite:,} rows)")
    if baseline.numeric and (aside := sum(set_aside(baseline, window))):
        notes.append(f"{aside:,} values lie absurdly far out and are set aside")
    if baseline.kind != "text" and (baseline.other or window.other):
        notes.append(f"has more than {MOST_CATEGORIES:,} values; the rarest are counted together")
    only = _only_value(window)
    if only and not notes and _share_of(baseline, window) < _NEARLY_ALWAYS:
        notes.append(f"is always {only}")
    return notes


def _only_value(profile: ColumnProfile) -> str:
    if profile.numeric:
        return str(profile.minimum) if profile.minimum == profile.maximum else ""
    return next(iter(profile.categories)) if len(profile.categories) == 1 and not profile.other else ""


def _share_of(baseline: ColumnProfile, window: ColumnProfile) -> float:
    """Give the share of the baseline's values that are the window's only one."""
    if window.numeric:
        same = baseline.counts[baseline.bins == window.bins[0]].sum()
        return float(same) / baseline.values
    return baseline.categories.get(next(iter(window.categories)), 0) / baseline.values
