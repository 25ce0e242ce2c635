"""The performance of the window: metrics over labelled rows with intervals, and all else that gates on it read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import MlopsError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.intervals import intervals
from mlops_provider.runtime.metrics import usual
from mlops_provider.runtime.monitor.known_names import own_names
from mlops_provider.runtime.monitor.performance.business import measure_business
from mlops_provider.runtime.monitor.performance.estimated import BEFORE as ESTIMATED
from mlops_provider.runtime.monitor.performance.estimated import estimate_performance
from mlops_provider.runtime.monitor.performance.fairness_drift import BEFORE as FAIRNESS
from mlops_provider.runtime.monitor.performance.fairness_drift import measure_fairness_drift
from mlops_provider.runtime.monitor.performance.found import Performance
from mlops_provider.runtime.monitor.performance.importance_drift import (
    CORRELATION,
    judge_importance,
    measure_importance_drift,
)
from mlops_provider.runtime.monitor.performance.log_answers import answers_of, data_of, measured_by_log, not_finite
from mlops_provider.runtime.monitor.performance.measures import Measures
from mlops_provider.runtime.monitor.performance.reference import Reference
from mlops_provider.runtime.monitor.performance.section import performance_section
from mlops_provider.runtime.monitor.performance.segments import WORST, add_worst, measure_segments, rows_by_segment
from mlops_provider.runtime.slices import find_slices
from mlops_provider.verdicts import RuleResult

if TYPE_CHECKING:
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look


def check_performance(look: Look, found: Findings) -> None:
    """Measure what can be measured and judge the gates; what cannot is not applicable, with the reason."""
    checks = look.config.checks
    performance = Performance(Measures(dict(found.metrics)), wants_labels=look.config.labels is not None)
    _take_labelled(look, performance)
    arrived = {"labelled": float(performance.labelled), "coverage": look.about.coverage}
    found.metrics |= arrived
    performance.measures.found |= arrived
    _measure(look, performance)
    _measure_parts(look, performance)
    reference = Reference(look)
    if checks.estimate:
        performance.estimated = estimate_performance(look, reference, performance.measures)
    _measure_fairness(look, reference, performance, found)
    _measure_importance(look, reference, performance, found)
    measure_business(look, found, performance.measures, own_names(look.config, look.signature))
    performance.business = {name: performance.measures.found.get(name) for name in checks.business}
    found.rules += [performance.measures.judge(gate) for gate in checks.performance]
    found.metrics |= _kept(look, performance)
    found.more["performance"] = performance.to_dict()
    found.sections.append(performance_section(performance))


def _take_labelled(look: Look, performance: Performance) -> None:
    """Take the labelled rows, or say why they cannot be judged."""
    rows = look.labelled
    performance.labelled, least = look.about.labelled, look.config.policy.minimum_rows
    why = look.not_judged
    if not why and len(rows) < least:
        why = f"{len(rows)} labels have arrived, {least} are needed"
    if not why:
        answers = answers_of(look.signature, rows)
        infinite = not_finite(answers)
        if not infinite:
            performance.answers, performance.rows = answers, rows
            return
        why = f"{infinite:,} of {len(rows):,} predictions are infinite, which leaves every error undefined"
    performance.why = why
    missing = [*measured_by_log(look.signature), WORST, FAIRNESS, CORRELATION]
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
        performance.segments = measure_segments(answers, rows_by_segment(rows, look.segments), names)
        add_worst(performance.segments, names, performance.measures)
    frame = data_of(answers.signature, rows).drop(columns=answers.signature.targets())
    performance.slices = find_slices(answers, frame, "auto")


def _measure_fairness(look: Look, reference: Reference, performance: Performance, found: Findings) -> None:
    check, answers, rows = look.config.checks.fairness, performance.answers, performance.rows
    if check is None or answers is None or rows is None:
        return
    try:
        performance.fairness = measure_fairness_drift(check, reference, answers, rows, performance.measures)
    except MlopsError as err:
        _lost(FAIRNESS, err, performance, found)


def _measure_importance(look: Look, reference: Reference, performance: Performance, found: Findings) -> None:
    check, rows = look.config.checks.importance, performance.rows
    if check is None:
        return
    if rows is None:
        why = performance.measures.missing[CORRELATION]
        found.rules.append(RuleResult(rule="importance", result="not_applicable", why=why))
        return
    try:
        performance.importance = measure_importance_drift(check, look.signature, reference, rows)
    except MlopsError as err:
        _lost(CORRELATION, err, performance, found)
        return
    correlation = performance.importance.correlation
    if correlation is not None:
        performance.measures.add({CORRELATION: correlation}, performance.importance.rows)
    found.rules.append(judge_importance(check, performance.importance))


def _lost(name: str, err: MlopsError, performance: Performance, found: Findings) -> None:
    """Say that something could not be measured at all: a warning, which loses no other check."""
    performance.measures.missing[name] = err.message
    found.rules.append(RuleResult(rule=name, result="warned", why=f"it could not be measured: {err.message}"))


def _kept(look: Look, performance: Performance) -> dict[str, float]:
    """Give the values that stay in the history: those in gates, and of the whole window the usual ones."""
    unusual = set(measured_by_log(look.signature)) - set(usual(look.signature.kind))
    left_out = {f"{ESTIMATED}{name}" for name in unusual}
    named = _in_gates(look)
    found = performance.measures.found
    return {name: value for name, value in found.items() if name in named or ("." not in name and name not in left_out)}
