"""The parts of the monitor's page about causes, and about the checks before this one."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.evaluation import tables
from mlops_provider.runtime.plots.chart import Axis, Chart

if TYPE_CHECKING:
    from datetime import datetime

    from mlops_provider.runtime.monitor.causes.find import Causes
    from mlops_provider.runtime.monitor.causes.series import Point

_TICKS = 4


def causes_section(causes: Causes) -> str:
    """Write what moved, since when, what else changed then, and sample rows; nothing where nothing broke."""
    if not causes.breach:
        return ""
    lines = "".join(f"<li>{escape(said)}</li>" for said in causes.says())
    return f"<h2>Why</h2><ul>{lines}</ul>{_changed(causes)}{_rows(causes)}"


def history_section(causes: Causes) -> str:
    """Draw the main metrics over the last checks, and list those with a breach."""
    points = causes.checks
    if len(points) < 2:  # noqa: PLR2004 (a line has two ends)
        return ""
    drawn = [chart for name in causes.names if (chart := _chart(name, points, causes))]
    acted = [point for point in points[:-1] if point.actions][-5:]
    rows = [[f"{point.at:%Y-%m-%d %H:%M}", escape(point.version), escape(", ".join(point.actions))] for point in acted]
    table = f"<h3>What was done before</h3>{tables.table(['check', 'version', 'actions'], rows)}" if rows else ""
    said = f"<p class=dim>{len(points) - 1} checks before this one.</p>"
    return f"<h2>The last checks</h2>{said}<div class=plots>{''.join(drawn)}</div>{table}"


def _changed(causes: Causes) -> str:
    if len(causes.changed) < 2:  # noqa: PLR2004 (the list above has the only one)
        return ""
    rows = [
        [f"{one.at:%Y-%m-%d %H:%M}", _distance(one.minutes), escape(one.says.partition(": ")[2])]
        for one in causes.changed
    ]
    return f"<h3>What else changed then</h3>{tables.table(['UTC', 'from the change', 'what'], rows)}"


def _distance(minutes: float) -> str:
    size = abs(minutes)
    text = f"{size:.0f} min" if size < 120 else f"{size / 60:.1f} h"  # noqa: PLR2004 (two hours)
    return "at once" if size < 1 else f"{text} {'before' if minutes < 0 else 'after'}"


def _rows(causes: Causes) -> str:
    if not causes.rows:
        return ""
    names = list(dict.fromkeys(name for row in causes.rows for name in row))
    rows = [[escape(row.get(name, "")) for name in names] for row in causes.rows]
    what = f"farthest from what {causes.moved[0].column} was" if causes.moved else "whose answer was wrong"
    table = tables.table([escape(name) for name in names], rows)
    return f"<details><summary>{len(rows)} rows {escape(what)}</summary><div class=wide>{table}</div></details>"


def _chart(name: str, points: list[Point], causes: Causes) -> str:
    having = [(point.at, point.metrics[name]) for point in points if name in point.metrics]
    if len(having) < 2 or len({value for _, value in having}) < 2:  # noqa: PLR2004 (a line that goes somewhere)
        return ""
    begin = having[0][0]
    places = [(_hours(at, begin), value) for at, value in having]
    x = Axis.over("UTC", [place for place, _ in places])
    x = Axis("UTC", x.low, x.high, _ticks([at for at, _ in having], begin))
    chart = Chart(name, x, Axis.over("", [value for _, value in places], zero=True), height=200)
    chart.line(places)
    chart.dots(places, radius=2.5)
    broken = [(_hours(at, begin), value) for at, value in having if _blocked(at, points)]
    if broken:
        chart.dots(broken, 5, name="breach", radius=3.5)
    if causes.since and having[0][0] <= causes.since.latest <= having[-1][0]:
        moment = _hours(causes.since.latest, begin)
        chart.guide((moment, chart.y.low), (moment, chart.y.high))
        chart.note = f"The line is at {causes.since.latest:%m-%d %H:%M}: since then."
    return chart.svg()


def _blocked(at: datetime, points: list[Point]) -> bool:
    return any(point.at == at and point.status == "blocked" for point in points)


def _hours(at: datetime, begin: datetime) -> float:
    return (at - begin).total_seconds() / 3600


def _ticks(moments: list[datetime], begin: datetime) -> list[tuple[float, str]]:
    """Give about four moments with their day or their hour."""
    first, last = moments[0], moments[-1]
    span = (last - first) / (_TICKS - 1)
    pattern = "%m-%d" if (last - first).days >= _TICKS else "%H:%M" if (last - first).days < 1 else "%m-%d %Hh"
    return [(_hours(first + span * place, begin), f"{first + span * place:{pattern}}") for place in range(_TICKS)]
