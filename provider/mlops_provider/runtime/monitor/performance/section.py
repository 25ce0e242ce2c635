"""The part of the monitor's page about performance."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.evaluation import tables
from mlops_provider.runtime.evaluation.evaluation import Evaluation
from mlops_provider.runtime.measurement import Measurement
from mlops_provider.runtime.monitor.performance.estimate_section import estimate_section
from mlops_provider.runtime.monitor.performance.segments import MINIMUM_ROWS
from mlops_provider.runtime.plots.forest import interval
from mlops_provider.verdicts import Verdict

if TYPE_CHECKING:
    from mlops_provider.runtime.monitor.performance.found import Performance
    from mlops_provider.runtime.monitor.performance.importance_drift import ImportanceDrift
    from mlops_provider.runtime.monitor.performance.segments import Segment

_SEGMENT_METRICS = 3
_COLUMNS = 10


def performance_section(found: Performance) -> str:
    """Write metrics, numbers of the business, segments and slices; nothing where nothing was measured."""
    parts = [
        _metrics(found),
        _business(found),
        estimate_section(found.estimated),
        _segments(found),
        _slices(found),
        _fairness(found),
        _importance(found.importance),
    ]
    body = "".join(part for part in parts if part)
    return f"<h2>Performance</h2>{body}" if body else ""


def _metrics(found: Performance) -> str:
    if not found.labelled:
        return "<p class=dim>No label has arrived for this window.</p>" if found.wants_labels else ""
    if found.answers is None:
        return f"<p class=dim>Not measured: {escape(found.why)}.</p>"
    measures = found.measures
    rows = []
    for name, value in found.metrics.items():
        between = measures.intervals.get(name)
        said = f"{tables.number(between[0])} to {tables.number(between[1])}" if between else ""
        rows.append([escape(name), tables.number(value), said, interval(value, between, None) if between else ""])
    lines = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in found.undefined.items())
    undefined = f"<p>Not measured:</p><ul>{lines}</ul>" if lines else ""
    listing = tables.table(["metric", "value", "95 % interval", ""], rows, numbers=[1, 2])
    kept = f", a sample of {found.labelled:,}" if len(found.answers) < found.labelled else ""
    what = f"<p>On {len(found.answers):,} predictions whose true outcome is known{kept}.</p>"
    return f"{what}{listing}{undefined}"


def _business(found: Performance) -> str:
    if not found.business:
        return ""
    rows = [
        [escape(name), tables.number(value) if value is not None else escape(found.measures.missing.get(name, ""))]
        for name, value in found.business.items()
    ]
    return f"<h3>Business</h3>{tables.table(['number', 'value'], rows, numbers=[1])}"


def _segments(found: Performance) -> str:
    if not found.segments:
        return ""
    names = [name for name in found.metrics if any(name in one.metrics for one in found.segments)][:_SEGMENT_METRICS]
    rows = [
        [f"<b>{escape(one.name)}</b>", f"{one.rows:,}", *(_cell(one, name) for name in names)] for one in found.segments
    ]
    whole = ["all", f"{found.labelled:,}", *(tables.number(found.metrics.get(name)) for name in names)]
    listing = tables.table(["segment", "rows", *map(escape, names)], [*rows, whole], numbers=[1])
    small = f"<p class=dim>The worst first; those with fewer than {MINIMUM_ROWS} labelled rows are not judged.</p>"
    return f"<h3>Segments</h3>{listing}{small}"


def _cell(one: Segment, name: str) -> str:
    if not one.judged:
        return "<span class=dim>too few rows</span>"
    if name not in one.metrics:
        return "<span class=dim>not defined</span>"
    between = one.intervals.get(name)
    said = f" <small>({tables.number(between[0])} to {tables.number(between[1])})</small>" if between else ""
    return f"{tables.number(one.metrics[name])}{said}"


def _slices(found: Performance) -> str:
    """Show the slices as the evaluation's page does."""
    if found.answers is None or found.rows is None or not found.slices.rows:
        return ""
    evaluation = Evaluation(
        answers=found.answers,
        frame=found.rows,
        measured=Measurement(metrics=found.metrics, n=found.labelled),
        verdict=Verdict(status="vacuous"),
        slices=found.slices,
    )
    return f"<h3>Where it errs</h3>{tables.slices(evaluation)}"


def _fairness(found: Performance) -> str:
    if not found.fairness:
        return ""
    rows = []
    for one in found.fairness:
        for metric, gap in one.now.gaps.items() if one.now else ():
            before = one.before.gaps.get(metric) if one.before else None
            change = one.changes.get(metric)
            rows.append([
                escape(one.column),
                escape(metric.replace("_", " ")),
                tables.number(gap.value),
                f"{tables.number(gap.low)} to {tables.number(gap.high)}",
                tables.number(before.value if before else None),
                f"{change:+.3g}" if change is not None else "",
                escape(gap.said()),
            ])  # fmt: skip
    lacking = "".join(f"<li>{escape(one.why)}</li>" for one in found.fairness if one.why)
    lacking += "".join(
        f"<li>{escape(metric.replace('_', ' '))}: {escape(why)}</li>"
        for one in found.fairness
        for metric, why in (one.now.undefined.items() if one.now else ())
    )
    what = next((one.what for one in found.fairness if one.what), "")
    said = f"<p>Before: {escape(what)}.</p>" if what else ""
    head = ["column", "metric", "now", "95 % interval", "before", "change", "furthest apart"]
    listing = tables.table(head, rows, numbers=[2, 3, 4, 5]) if rows else ""
    return f"<h3>Fairness</h3>{said}{listing}{f'<p>Not measured:</p><ul>{lacking}</ul>' if lacking else ''}"


def _importance(found: ImportanceDrift | None) -> str:
    if found is None:
        return ""
    rows = [
        [escape(one.column), f"{one.before:.1%}", f"{one.now:.1%}", f"{one.now - one.before:+.1%}"]
        for one in found.columns[:_COLUMNS]
    ]
    said = "not defined" if found.correlation is None else f"{found.correlation:.2f}"
    words = (
        f"<p>Shares of what {escape(found.scoring)} loses when a column is shuffled, on {found.rows:,} labelled rows; "
        f"before: {escape(found.what)}. Rank correlation: {said}. Those that moved most:</p>"
    )
    listing = tables.table(["column", "before", "now", "change"], rows, numbers=[1, 2, 3])
    return f"<h3>Importances</h3>{words}{listing}"
