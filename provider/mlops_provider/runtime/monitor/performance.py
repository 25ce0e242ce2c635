"""The performance of the window: metrics over labelled rows with intervals, and all else that gates on it read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.intervals import intervals
from mlops_provider.runtime.metrics import usual
from mlops_provider.runtime.monitor.business import measure_business
from mlops_provider.runtime.monitor.log_answers import answers_of, measured_by_log
from mlops_provider.runtime.monitor.measures import ENDS, Measures
from mlops_provider.runtime.monitor.performance_section import performance_section
from mlops_provider.runtime.monitor.segment_performance import WORST, Segment, add_worst, measure_segments
from mlops_provider.runtime.monitor.service import SERVICE
from mlops_provider.runtime.predictions import FEATURE_PREFIX
from mlops_provider.runtime.slices import SliceSearch, find_slices

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.store.models import Signature

CHECKED = ("rows", "labelled", "coverage", "missing_share", "drift_share", "prediction_drift")


@dataclass(slots=True)
class Performance:
    """What was found; `answers` and `rows` are the labelled ones, None where they are too few."""

    measures: Measures
    wants_labels: bool = False
    labelled: int = 0
    answers: Answers | None = None
    rows: pd.DataFrame | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    slices: SliceSearch = field(default_factory=SliceSearch)
    business: dict[str, float | None] = field(default_factory=dict)

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
        }


def check_performance(look: Look, found: Findings) -> None:
    """Measure what can be measured and judge the gates; what cannot is not applicable, with the reason."""
    checks, signature = look.config.checks, look.signature
    performance = Performance(Measures(dict(found.metrics)), wants_labels=look.config.labels is not None)
    _take_labelled(look, performance)
    arrived = {"labelled": float(performance.labelled), "coverage": look.about.coverage}
    found.metrics |= arrived
    performance.measures.found |= arrived
    _measure(look, performance)
    _measure_parts(look, performance)
    measure_business(look, found, performance.measures, _names(look.config, signature))
    performance.business = {name: performance.measures.found.get(name) for name in checks.business}
    found.rules += [performance.measures.judge(gate) for gate in checks.performance]
    found.metrics |= _kept(look, performance)
    found.more["performance"] = performance.to_dict()
    found.sections.append(performance_section(performance))


def require_known(config: MonitorSpec, signature: Signature) -> None:
    """Raise ExpressionError for a gate on something that the monitor never measures."""
    plain = sorted({*_names(config, signature), *config.checks.business})
    names = {*plain, *(f"{name}.{end}" for name in plain for end in ENDS)}
    for gate in (*config.checks.performance, *config.checks.service):
        for name in Expression.parse(gate).names():
            if name not in names:
                raise ExpressionError(
                    gate, f"the monitor does not measure '{name}'", hint=f"it measures: {', '.join(plain)}"
                )


def _names(config: MonitorSpec, signature: Signature) -> set[str]:
    """Give the names that gates may read, the workflow's own aside."""
    measured = measured_by_log(signature)
    worst = [f"{WORST}.{name}" for name in measured] if config.segments else []
    return {*measured, *worst, *SERVICE, *CHECKED}


def _take_labelled(look: Look, performance: Performance) -> None:
    rows = look.labelled
    performance.labelled, least = look.about.labelled, look.config.policy.minimum_rows
    if len(rows) >= least and not look.not_judged:
        performance.answers, performance.rows = answers_of(look.signature, rows), rows
        return
    why = look.not_judged or f"{len(rows)} labels have arrived, {least} are needed"
    missing = [*measured_by_log(look.signature), WORST]
    performance.measures.missing |= dict.fromkeys(missing, why)


def _asked(look: Look) -> list[str]:
    """Give the metrics to measure: the usual ones of the task, and those that gates name."""
    named = {part for name in _in_gates(look) for part in name.split(".")}
    wanted = {*named, *usual(look.signature.kind)}
    return [name for name in measured_by_log(look.signature) if name in wanted]


def _in_gates(look: Look) -> set[str]:
    return {name for gate in look.config.checks.performance for name in Expression.parse(gate).names()}


def _measure(look: Look, performance: Performance) -> None:
    """Measure the labelled rows as a whole."""
    answers, names = performance.answers, _asked(look)
    if answers is None or not names:
        return
    performance.metrics = answers.measure(names, performance.undefined)
    between = intervals(answers, performance.metrics)
    performance.measures.add(performance.metrics, answers.units()[0], between)
    performance.measures.missing |= {
        name: f"{name} cannot be measured: {why}" for name, why in performance.undefined.items()
    }


def _measure_parts(look: Look, performance: Performance) -> None:
    """Measure the segments, and search for the slices that are worst."""
    answers, rows, names = performance.answers, performance.rows, list(performance.metrics)
    if answers is None or rows is None or not names:
        return
    if look.config.segments:
        performance.segments, missing = measure_segments(answers, rows, look.config.segments, names)
        performance.undefined |= missing
        add_worst(performance.segments, names, performance.measures)
    features = [column for column in rows.columns.astype(str) if column.startswith(FEATURE_PREFIX)]
    frame = rows[features].rename(columns=lambda name: name.removeprefix(FEATURE_PREFIX)).reset_index(drop=True)
    if answers.signature.query:
        frame[answers.signature.query] = rows["request_id"].to_numpy()
    performance.slices = find_slices(answers, frame, "auto")


def _kept(look: Look, performance: Performance) -> dict[str, float]:
    """Give the values that stay in the history: all metrics of the whole window, of its parts those in gates."""
    named = _in_gates(look)
    found = performance.measures.found
    return {name: value for name, value in found.items() if "." not in name or name in named}
