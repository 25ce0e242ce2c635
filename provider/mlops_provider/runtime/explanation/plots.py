"""The plots of an explanation as SVG: bars, a swarm of rows, curves; readable on light and dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.runtime.explanation.dependence import Dependence
    from mlops_provider.runtime.explanation.shap_values import ShapValues

COLORS = tuple(f"var(--c{place})" for place in range(6))
_NAMES, _WIDTH, _LINE = 190, 420, 24
_RIGHT = 150
_SWARM = 300
_BINS = 60
_SMALL_WIDTH, _SMALL_HEIGHT = 250, 130


class Bar(NamedTuple):
    """A bar with its whisker; `dim` is drawn faint."""

    name: str
    value: float
    low: float
    high: float
    said: str
    dim: bool = False


def bars(rows: Sequence[Bar], *, what: str) -> str:
    """Draw horizontal bars from zero, each with its value in words."""
    low = min(0.0, *(row.low for row in rows))
    span = max(0.0, *(row.high for row in rows)) - low or 1.0

    def at(value: float) -> float:
        return _NAMES + (value - low) / span * _WIDTH

    parts = []
    for index, row in enumerate(rows):
        y = index * _LINE + 4
        left, right = sorted((at(0), at(row.value)))
        parts.append(
            f"<g opacity='{0.45 if row.dim else 1}'><title>{escape(row.name)}: {escape(row.said)}</title>"
            f"<text x={_NAMES - 8} y={y + 12} text-anchor=end>{_short(row.name, 28)}</text>"
            f"<rect x='{left:.1f}' y={y} width='{max(right - left, 1):.1f}' height=16 rx=2 fill='{COLORS[0]}'/>"
            f"<path d='M{at(row.low):.1f} {y + 8}H{at(row.high):.1f}' stroke=currentColor stroke-width=1.5 />"
            f"<text x='{max(at(row.high), right) + 6:.1f}' y={y + 12}>{escape(row.said)}</text></g>"
        )
    height = len(rows) * _LINE + 6
    axis = f"<path d='M{at(0):.1f} 0V{height}' stroke=currentColor opacity=.4 />"
    return _svg(_NAMES + _WIDTH + _RIGHT, height, axis + "".join(parts), what)


def swarm(shap: ShapValues, features: Sequence[str], output: int) -> str:
    """Draw each row as a dot by its SHAP value, coloured by the column's value: blue low, red high, grey no number."""
    import numpy as np

    line = 40
    places = [shap.features.index(name) for name in features]
    values = shap.values[:, places, output]
    step = max(1, -(-len(values) // _SWARM))
    values, inputs = values[::step], shap.inputs.iloc[::step]
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return _NAMES + (value - low) / span * (_WIDTH + 60)

    parts = []
    for index, name in enumerate(features):
        middle = index * line + line / 2
        parts.append(f"<text x={_NAMES - 8} y={middle + 4} text-anchor=end>{_short(name, 28)}</text>")
        column = values[:, index]
        bins = np.round((column - low) / span * _BINS).astype(int)
        taken: dict[int, int] = {}
        for value, place, color in zip(column, bins, _value_colors(inputs[name]), strict=True):
            count = taken[place] = taken.get(place, 0) + 1
            offset = max(3 - line / 2, min(line / 2 - 3, (count // 2) * (2 if count % 2 else -2)))
            parts.append(f"<circle cx='{at(value):.1f}' cy='{middle + offset:.1f}' r=2.2 fill='{color}'/>")
    height = len(features) * line
    axis = f"<path d='M{at(0):.1f} 0V{height}' stroke=currentColor opacity=.4 />"
    ends = (
        f"<text x={_NAMES} y={height + 16}>{low:.3g}</text>"
        f"<text x={_NAMES + _WIDTH + 60} y={height + 16} text-anchor=end>{high:.3g}</text>"
        f"<text x='{at(0):.1f}' y={height + 16} text-anchor=middle>0</text>"
    )
    return _svg(_NAMES + _WIDTH + 80, height + 24, axis + "".join(parts) + ends, "SHAP values by row")


def curve(dependence: Dependence, low: float, high: float) -> str:
    """Draw the mean output over a feature's values: a line for numbers, dots for others; one colour per output."""
    left, bottom = 44, 22
    width, height = _SMALL_WIDTH - left - 10, _SMALL_HEIGHT - bottom - 8
    span = (high - low) or 1.0
    values = dependence.values
    first, last = (float(values[0]), float(values[-1])) if dependence.numeric else (0.0, len(values) - 1.0)

    def across(index: int) -> float:
        place = float(values[index]) if dependence.numeric else float(index)
        return left + (place - first) / ((last - first) or 1.0) * width

    parts = [f"<path d='M{left} 4V{height + 8}H{left + width}' stroke=currentColor opacity=.35 fill=none />"]
    for color, numbers in zip(COLORS, dependence.outputs.values(), strict=False):
        points = [(across(index), 8 + height - (number - low) / span * height) for index, number in enumerate(numbers)]
        if dependence.numeric:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            parts.append(f"<path d='M{path}' stroke='{color}' stroke-width=2 fill=none />")
        else:
            parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r=3.5 fill='{color}'/>" for x, y in points]
    parts.append(f"<text x={left - 4} y=14 text-anchor=end>{high:.3g}</text>")
    parts.append(f"<text x={left - 4} y={height + 10} text-anchor=end>{low:.3g}</text>")
    names = [f"{values[0]:.4g}", f"{values[-1]:.4g}"] if dependence.numeric else [str(values[0]), str(values[-1])]
    parts.append(f"<text x={left} y={_SMALL_HEIGHT - 6}>{_short(names[0], 16)}</text>")
    parts.append(f"<text x={left + width} y={_SMALL_HEIGHT - 6} text-anchor=end>{_short(names[1], 16)}</text>")
    return _svg(_SMALL_WIDTH, _SMALL_HEIGHT, "".join(parts), f"partial dependence on {dependence.feature}")


def legend(names: Sequence[str]) -> str:
    """Name the colours of several outputs."""
    shown = [f"<b style='color:{color}'>●</b> {escape(str(name))}" for color, name in zip(COLORS, names, strict=False)]
    return f"<p class=dim>{' &nbsp; '.join(shown)}</p>"


def _value_colors(column: Any) -> list[str]:
    import numpy as np
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column):
        return ["#8a8f98aa"] * len(column)
    ranks = column.astype(float).rank(pct=True).to_numpy()
    return ["#8a8f98aa" if np.isnan(rank) else _mixed(float(rank)) for rank in ranks]


def _mixed(share: float) -> str:
    cold, warm = (76, 139, 214), (228, 80, 79)
    red, green, blue = (round(one + (other - one) * share) for one, other in zip(cold, warm, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}bb"


def _short(name: str, most: int) -> str:
    return escape(name if len(name) <= most else f"{name[: most - 1]}…")


def _svg(width: float, height: float, content: str, what: str) -> str:
    return (
        f"<svg viewBox='0 0 {width:.0f} {height:.0f}' width={width:.0f} height={height:.0f} role=img "
        f"aria-label='{escape(what)}'>{content}</svg>"
    )
