"""Segments: the parts of a window by the values of a feature, each with profiles of its own.

Which values have a segment is decided by the baseline, so that every hour has the same ones: the largest, and one for
the rest. What is new in a window is in the rest, and said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.columns.profile import merge
from mlops_provider.runtime.monitor.profiles import log_profiles
from mlops_provider.runtime.predictions import FEATURE_PREFIX
from mlops_provider.runtime.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from mlops_provider.runtime.columns.profile import ColumnProfile

MOST_SEGMENTS = 20
WHOLE = ""
_BETWEEN = "\n"

Parts = dict[str, dict[str, "ColumnProfile"]]
"""Profiles by segment and feature; WHOLE is not a part but all."""


@dataclass(frozen=True, slots=True)
class Segments:
    """The values of each feature that have a segment of their own."""

    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, features: Iterable[str], like: Mapping[str, ColumnProfile]) -> Self:
        """Take the most frequent values of the baseline's; ConfigError: a feature is unknown or has no categories."""
        found: dict[str, tuple[str, ...]] = {}
        categories = [name for name, profile in like.items() if profile.kind in {"category", "boolean"}]
        for feature in features:
            if feature not in categories:
                what = "is a number or a text" if feature in like else "is no feature"
                hint = f"segments can be made of: {', '.join(sorted(categories)) or 'nothing here'}"
                raise ConfigError(f"monitor.segments: '{feature}' {what}", hint=hint)
            found[feature] = tuple(sorted(list(like[feature].categories)[:MOST_SEGMENTS]))
        return cls(found)

    def conditions(self, present: Collection[str], prefix: str = FEATURE_PREFIX) -> dict[str, str]:
        """Give the SQL of each segment by its name; columns that are not `present` have none."""
        found: dict[str, str] = {}
        for feature, values in self.values.items():
            if prefix + feature not in present:
                continue
            column = f"{identifier(prefix + feature)}::VARCHAR"
            found |= {f"{feature}={value}": f"{column} = {literal(value)}" for value in values}
            listed = ", ".join(map(literal, values))
            rest = f"{column} IS NULL" + (f" OR {column} NOT IN ({listed})" if values else " OR true")
            found[f"{feature}: other"] = f"({rest})"
        return found

    def new(self, baseline: Mapping[str, ColumnProfile], window: Mapping[str, ColumnProfile]) -> dict[str, int]:
        """Give how many rows are of segments that the baseline has never seen, the largest first."""
        found = {
            f"{feature}={value}": count
            for feature in self.values
            if feature in window and feature in baseline
            for value, count in window[feature].categories.items()
            if value not in baseline[feature].categories
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def profile_parts(
    source: str, like: Mapping[str, ColumnProfile], segments: Segments, present: Collection[str]
) -> Parts:
    """Profile the rows of a SQL source in the log's columns, whole and by segment; a segment without rows lacks."""
    parts: Parts = {WHOLE: log_profiles(source, like)}
    for name, condition in segments.conditions(present).items():
        found = log_profiles(f"(SELECT * FROM {source} WHERE {condition})", like)
        if any(profile.rows for profile in found.values()):
            parts[name] = found
    return parts


def add_parts(many: Iterable[Parts]) -> Parts:
    """Add up the profiles of several sources, segment by segment."""
    gathered: dict[str, dict[str, list[ColumnProfile]]] = {WHOLE: {}}
    for parts in many:
        for segment, profiles in parts.items():
            for name, profile in profiles.items():
                gathered.setdefault(segment, {}).setdefault(name, []).append(profile)
    return {segment: {name: merge(found) for name, found in profiles.items()} for segment, profiles in gathered.items()}


def flat(parts: Parts) -> dict[str, ColumnProfile]:
    """Give parts as one mapping, as they are written."""
    return {
        f"{segment}{_BETWEEN}{name}": profile
        for segment, profiles in parts.items()
        for name, profile in profiles.items()
    }


def unflat(profiles: Mapping[str, ColumnProfile]) -> Parts:
    """Give back the parts that `flat` made one mapping of."""
    parts: Parts = {WHOLE: {}}
    for key, profile in profiles.items():
        segment, _, name = key.partition(_BETWEEN)
        parts.setdefault(segment, {})[name] = profile
    return parts


def rows_of(profiles: Mapping[str, ColumnProfile]) -> int:
    """Give how many rows were profiled."""
    return max((profile.rows for profile in profiles.values()), default=0)
