"""Small plots of iterations, as SVG that reads on light and dark."""

from __future__ import annotations

from html import escape
from typing import Any

_COLORS = {"passed": "#2e7d32", "overridden": "#b8860b", "blocked": "#c93c37", "failed": "#c93c37"}
_WIDTH, _HEIGHT, _LEFT, _RIGHT = 620, 110, 58, 12


def history_plot(metric: str, history: list[dict[str, Any]]) -> str:
    """Draw the values of a metric over the runs of a checkpoint, coloured by its verdict; '' for fewer than two."""
    points = [(point, point["metrics"][metric]) for point in history if metric in point["metrics"]]
    if len(points) < 2:  # noqa: PLR2004 (one point is no history)
        return ""
    low, high = min(value for _, value in points), max(value for _, value in points)
    span, step = (high - low) or 1.0, (_WIDTH - _LEFT - _RIGHT) / (len(points) - 1)
    places = [(_LEFT + i * step, 12 + (high - value) / span * (_HEIGHT - 24)) for i, (_, value) in enumerate(points)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f"<circle cx={x:.1f} cy={y:.1f} r=4.5 fill='{_COLORS.get(point['status'], '#888')}'>"
        f"<title>{escape(point['run_id'])}: {value:.4f}, {escape(point['status'])}</title></circle>"
        for (x, y), (point, value) in zip(places, points, strict=True)
    )
    labels = "".join(
        f"<text x={_LEFT - 10} y={y} text-anchor=end>{value:.4g}</text>"
        for value, y in ({high: 16, low: _HEIGHT - 8}).items()
    )
    days = [escape(str(points[i][0]["started"])[:10]) for i in (0, -1)]
    ends = (
        f"<text x={_LEFT} y={_HEIGHT + 14}>{days[0]}</text>"
        f"<text x={_WIDTH - _RIGHT} y={_HEIGHT + 14} text-anchor=end>{days[1]}</text>"
    )
    legend = " · ".join(
        f"<span style='color:{_COLORS.get(status, '#888')}'>●</span> {escape(status)}"
        for status in dict.fromkeys(point["status"] for point, _ in points)
    )
    return (
        f"<h3>{escape(metric)} over {len(points)} runs</h3><svg viewBox='0 0 {_WIDTH} {_HEIGHT + 20}' width={_WIDTH} "
        f"role=img><polyline points='{line}' fill=none stroke='currentColor' stroke-opacity=.35 />{dots}{labels}{ends}"
        f"</svg><p class=dim>{legend}</p>"
    )
