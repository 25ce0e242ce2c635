"""Everything that is known about a model after it was evaluated: what the report shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.slices import SliceSearch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.slices import WorstValue
    from mlops_provider.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Section:
    """A further part of the page: `html` is shown as it is, so that its text must be escaped already."""

    title: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found on the rows of `frame` (n), which `answers` belong to.

    `intervals` are 95 % intervals of metrics; `champion` its metrics on the same rows, or None, and `champion_note`
    says which version it is or why there is none; `gain` is the gain over it by metric (value, low, high, p_value);
    `undefined` says of metrics that have no value why; `worst` are the worst values in any slice. `lineage` are names
    and digests; `sections` come after the plots; `masked` columns show no values; `more` goes into report.json.
    """

    answers: Answers
    frame: pd.DataFrame
    metrics: Mapping[str, float]
    verdict: Verdict
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    champion: Mapping[str, float] | None = None
    champion_note: str = ""
    gain: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    slices: SliceSearch = field(default_factory=SliceSearch)
    worst: Mapping[str, WorstValue] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    masked: frozenset[str] = frozenset()
    evidently: str = ""
    """Why there is no page of Evidently's; empty where there is one."""
    more: Mapping[str, Any] = field(default_factory=dict)
