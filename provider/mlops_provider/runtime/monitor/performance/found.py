"""What a check of performance has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.slices import SliceSearch

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.monitor.performance.estimated import Estimated
    from mlops_provider.runtime.monitor.performance.fairness_drift import FairnessDrift
    from mlops_provider.runtime.monitor.performance.importance_drift import ImportanceDrift
    from mlops_provider.runtime.monitor.performance.measures import Measures
    from mlops_provider.runtime.monitor.performance.segments import Segment


@dataclass(slots=True)
class Performance:
    """What was found; `answers` and `rows` are the labelled ones, None where they cannot be judged: `why` says why."""

    measures: Measures
    wants_labels: bool = False
    labelled: int = 0
    why: str = ""
    answers: Answers | None = None
    rows: pd.DataFrame | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    slices: SliceSearch = field(default_factory=SliceSearch)
    business: dict[str, float | None] = field(default_factory=dict)
    estimated: Estimated | None = None
    fairness: list[FairnessDrift] = field(default_factory=list)
    importance: ImportanceDrift | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "labelled": self.labelled,
            "metrics": self.metrics,
            "intervals": {
                name: self.measures.intervals[name] for name in self.metrics if name in self.measures.intervals
            },
            "undefined": self.undefined,
            "business": self.business,
            "segments": [one.to_dict() for one in self.segments],
            "slices": self.slices.to_dict(),
            "estimate": self.estimated.to_dict() if self.estimated else None,
            "fairness": [one.to_dict() for one in self.fairness],
            "importance": self.importance.to_dict() if self.importance else None,
        }
