"""The estimate on the monitor's page: against the truth over time, with its error."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.evaluation import tables
from mlops_provider.runtime.plots.chart import Axis, Chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.runtime.monitor.performance.estimate_history import Point
    from mlops_provider.runtime.monitor.performance.estimated import Estimated

_FIRST = ("accuracy", "precision", "recall", "f1", "roc_auc")
_CHARTS = 3
_TICKS = 3


def estimate_section(found: Estimated | None) -> str:
    """Write the estimates of the window with their errors, and draw the first of them over time."""
    if found is None:
        return ""
    if found.now is None:
        return f"<h3>Estimate without labels</h3><p class=dim>Not available: {escape(found.why)}.</p>"
    now = found.now
    shown = [name for name in _FIRST if name in now.estimated]
    rows = [
        [
            escape(name),
            tables.number(now.estimated[name]),
            "{} to {}".format(*map(tables.number, found.intervals[name])),
            tables.number(now.realised.get(name)),
            tables.number(found.errors.get(name)),
        ]
        for name in now.estimated
        if name in shown or name in now.realised
    ]
    head = ["metric", "estimated", "95 % interval", "true", "mean error before"]
    measured = (
        f"The mean error is that of {len(found.points)} earlier stretches."
        if found.errors
        else "How far estimates are off cannot be said yet: it takes three earlier stretches with labels."
    )
    said = (
        f"<p>From the probabilities of {now.rows:,} predictions, calibrated on {escape(found.calibrated_on)}, "
        f"where the model's own were off by {found.ece:.3f} (ECE). {measured} "
        "<span class=dim>An estimate sees features that move; it cannot see that the same "
        "features have come to mean something else.</span></p>"
    )
    charts = "".join(_chart(name, found.points, now) for name in shown[:_CHARTS]) if found.points else ""
    listing = tables.table(head, rows, numbers=[1, 2, 3, 4])
    return f"<h3>Estimate without labels</h3>{said}{listing}<div class=plots style='margin-top:1rem'>{charts}</div>"


def _chart(name: str, points: Sequence[Point], now: Point) -> str:
    """Draw estimate and truth of each stretch; the last is the window."""
    every = [*(point for point in points if name in point.estimated), now]
    estimated = [(float(i), point.estimated[name]) for i, point in enumerate(every)]
    true = [(float(i), point.realised[name]) for i, point in enumerate(every) if name in point.realised]
    values = [value for _, value in [*estimated, *true]]
    places = sorted({round(i * (len(every) - 1) / (_TICKS - 1)) for i in range(_TICKS)})
    ticks = [(float(place), every[place].at[:10]) for place in places]
    x = Axis("end of the stretch; the last is this window", 0, max(len(every) - 1, 1), ticks)
    chart = Chart(name, x, Axis.over("", values))
    chart.line(true, 0, name="true")
    chart.dots(true, 0)
    chart.line(estimated, 1, name="estimated before", dashed=True)
    chart.dots(estimated, 1)
    return chart.svg()
