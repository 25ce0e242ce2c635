"""Segments: the parts of a window by the values of a feature, or the quartiles of a number, each with its profiles.

Which values have a segment is decided by the baseline, so that every hour has the same ones: the largest, and one for
the rest. What is new in a window is in the rest, and said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.columns.profile import merge
from mlops_provider.runtime.columns.scores import quantiles
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION, log_profiles
from mlops_provider.runtime.predictions import FEATURE_PREFIX
from mlops_provider.runtime.sql import columns_of, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import duckdb

    from mlops_provider.runtime.columns.profile import ColumnProfile

MOST_SEGMENTS = 20
OTHER = "(other)"
WHOLE = ""
_BETWEEN = "\n"

Parts = dict[str, dict[str, "ColumnProfile"]]
"""Profiles by segment and feature; WHOLE is not a part but all."""


@dataclass(frozen=True, slots=True)
class Segments:
    """What has a segment of its own: values of categories by feature, numbers between the edges by feature."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.values or self.edges)

    @classmethod
    def of(cls, features: Iterable[str], like: Mapping[str, ColumnProfile]) -> Self:
        """Take the baseline's most frequent values, and its quartiles of numbers.

        Texts and times have no segments. ConfigError: there is no such feature.
        """
        values: dict[str, tuple[str, ...]] = {}
        edges: dict[str, tuple[float, ...]] = {}
        for feature in features:
            if feature not in like:
                known = ", ".join(sorted(name for name in like if name != PREDICTION))
                raise ConfigError(f"monitor.segments: '{feature}' is no feature", hint=f"there are: {known}")
            profile = like[feature]
            if profile.kind in {"category", "boolean"}:
                values[feature] = tuple(sorted(list(profile.categories)[:MOST_SEGMENTS]))
            elif profile.kind == "number" and profile.values:
                quartiles = {float(f"{edge:.6g}") for edge in quantiles(profile, (0.25, 0.5, 0.75))}
                edges[feature] = tuple(sorted(quartiles))
        return cls(values, edges)

    def named(self) -> list[dict[str, list[str]]]:
        """Give the JSON form: equal segments have equal ones."""
        values = {feature: list(values) for feature, values in self.values.items()}
        return [values, {feature: [edge.hex() for edge in edges] for feature, edges in self.edges.items()}]

    def conditions(self, present: Collection[str], prefix: str = FEATURE_PREFIX) -> dict[str, str]:
        """Give the SQL of each segment by its name; columns that are not `present` have none."""
        found: dict[str, str] = {}
        for feature in (*self.values, *self.edges):
            if prefix + feature in present:
                column = identifier(prefix + feature)
                mine = self._values(feature, column) if feature in self.values else self._edges(feature, column)
                rest = " OR ".join(f"({condition})" for condition in mine.values())
                found |= mine | {f"{feature} = {OTHER}": f"({rest or 'false'}) IS NOT TRUE"}
        return found

    def _values(self, feature: str, column: str) -> dict[str, str]:
        return {f"{feature} = {value}": f"{column}::VARCHAR = {literal(value)}" for value in self.values[feature]}

    def _edges(self, feature: str, column: str) -> dict[str, str]:
        number = f"TRY_CAST({column} AS DOUBLE)"
        edges = self.edges[feature]
        pairs = zip((None, *edges), (*edges, None), strict=True)
        found = {}
        for low, high in pairs:
            above, below = f"{number} >= {low!r}", f"{number} < {high!r}"
            if low is None:
                name, bounds = f"{feature} < {high:g}", below
            elif high is None:
                name, bounds = f"{feature} >= {low:g}", above
            else:
                name, bounds = f"{low:g} <= {feature} < {high:g}", f"{above} AND {below}"
            found[name] = f"{bounds} AND isfinite({number})"
        return found

    def new(self, baseline: Mapping[str, ColumnProfile], window: Mapping[str, ColumnProfile]) -> dict[str, int]:
        """Give how many rows are of segments that the baseline has never seen, the largest first."""
        found = {
            f"{feature} = {value}": count
            for feature in self.values
            if feature in window and feature in baseline
            for value, count in window[feature].categories.items()
            if value not in baseline[feature].categories
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def feature_of(segment: str, features: Iterable[str]) -> str:
    """Give the feature that a segment is of, by its name."""
    for feature in sorted(features, key=len, reverse=True):
        if segment.startswith((f"{feature} = ", f"{feature} < ", f"{feature} >= ")) or f" <= {feature} < " in segment:
            return feature
    return ""


def profile_parts(
    connection: duckdb.DuckDBPyConnection, source: str, like: Mapping[str, ColumnProfile], segments: Segments
) -> Parts:
    """Profile the rows of a SQL source in the log's columns, whole and by segment; a segment without rows lacks."""
    parts: Parts = {WHOLE: log_profiles(connection, source, like)}
    present = columns_of(connection, f"SELECT * FROM {source}") if segments else ()
    for name, condition in segments.conditions(present).items():
        found = log_profiles(connection, f"(SELECT * FROM {source} WHERE {condition})", like)
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
