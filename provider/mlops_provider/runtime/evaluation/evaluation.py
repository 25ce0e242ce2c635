"""Everything that is known about a model after it was evaluated: what the report shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.slices import SliceSearch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.measurement import Measurement
    from mlops_provider.runtime.slices import WorstValue
    from mlops_provider.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found on the rows of `frame` (n), which `answers` belong to.

    `champion_note` says which version the champion is, or why there is none; `worst` are the worst values in any slice
    that gates asked for. `lineage` are names and digests; `sections` are further parts of the page, HTML with their
    headings, and `more` their JSON; `masked` columns show no values; `evidently` says why there is no page of
    Evidently's, and is empty where there is one.
    """

    answers: Answers
    frame: pd.DataFrame
    measured: Measurement
    verdict: Verdict
    champion_note: str = ""
    slices: SliceSearch = field(default_factory=SliceSearch)
    worst: Mapping[str, WorstValue] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    masked: frozenset[str] = frozenset()
    evidently: str = ""

    def details(self) -> dict[str, Any]:
        """Give what belongs in the record: everything measured, and of the slices all but their rows."""
        return {
            "champion_note": self.champion_note,
            "new_classes": self.answers.new_classes,
            "worst": {name: value.to_dict() for name, value in self.worst.items()},
            "slices": [one.to_dict(rows=False) for one in self.slices],
            **self.measured.to_dict(),
            **self.more,
        }
