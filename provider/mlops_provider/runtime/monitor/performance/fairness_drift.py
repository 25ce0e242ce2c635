"""Drift of fairness: how groups of people are treated in the window, against the rows of the version's making."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.explanation.fairness import Fairness, measure_fairness
from mlops_provider.runtime.explanation.gate_names import FAIRNESS_METRICS, gate_name
from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.monitoring.performance import FairnessCheck
    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.monitor.performance.measures import Measures
    from mlops_provider.runtime.monitor.performance.reference import Reference

BEFORE = "fairness"
ASPECTS = ("baseline", "change")


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessDrift:
    """One column: its fairness now and before; `what` are the rows of before, `why` says why there is none."""

    column: str
    now: Fairness | None = None
    before: Fairness | None = None
    what: str = ""
    why: str = ""
    changes: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "column": self.column,
            "now": self.now.to_dict() if self.now else None,
            "before": self.before.to_dict() if self.before else None,
            "what": self.what,
            "why": self.why,
            "changes": self.changes,
        }


def fairness_names(check: FairnessCheck) -> list[str]:
    """Give the names that gates read."""
    names = [f"{BEFORE}.{gate_name(column)}.{metric}" for column in check.sensitive for metric in FAIRNESS_METRICS]
    return [*names, *(f"{name}.{aspect}" for name in names for aspect in ASPECTS)]


def measure_fairness_drift(
    check: FairnessCheck, reference: Reference, answers: Answers, rows: pd.DataFrame, measures: Measures
) -> list[FairnessDrift]:
    """Measure each sensitive column on labelled rows of the log, and on those of before.

    Gates read `fairness.<column>.<metric>`, with `.baseline` its value before and `.change` the difference.
    """
    found = [_of_column(column, check, reference, answers, rows) for column in check.sensitive]
    for one in found:
        name = f"{BEFORE}.{gate_name(one.column)}"
        if one.why:
            measures.missing[name] = one.why
        for metric, gap in one.now.gaps.items() if one.now else ():
            measures.add({metric: gap.value}, len(rows), {metric: (gap.low, gap.high)}, before=f"{name}.")
            measures.notes[f"{name}.{metric}"] = gap.said()
            if one.before and metric in one.before.gaps:
                measures.found[f"{name}.{metric}.baseline"] = one.before.gaps[metric].value
                measures.found[f"{name}.{metric}.change"] = one.changes[metric]
            elif one.before:
                measures.missing[f"{name}.{metric}.baseline"] = measures.missing[f"{name}.{metric}.change"] = (
                    f"{metric} of '{one.column}' before: {one.before.undefined.get(metric, 'it is not defined')}"
                )
        for metric, why in one.now.undefined.items() if one.now else ():
            measures.missing[f"{name}.{metric}"] = f"{metric} of '{one.column}': {why}"
    return found


def _of_column(
    column: str, check: FairnessCheck, reference: Reference, answers: Answers, rows: pd.DataFrame
) -> FairnessDrift:
    logged = f"{FEATURE_PREFIX}{column}"
    if logged not in rows:
        return FairnessDrift(column=column, why=f"'{column}' is not in the prediction log, which has features only")
    try:
        now = measure_fairness(answers, rows[logged].rename(column), favorable=check.favorable)
        frame, known, what = reference.rows
        before = measure_fairness(known, frame[column], favorable=check.favorable)
    except DataError as err:
        return FairnessDrift(column=column, why=err.message)
    changes = {
        metric: gap.value - before.gaps[metric].value for metric, gap in now.gaps.items() if metric in before.gaps
    }
    return FairnessDrift(column=column, now=now, before=before, what=what, changes=changes)
