"""A chart: two axes and what is drawn between them, as one SVG figure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH, HEIGHT = 340, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 40
_TICKS = 5
COLORS = 8
"""Colours of series that a page has: `--c0` to `--c7`."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis spans and says; `ticks` are positions with texts, default: round numbers."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]] = ()

    @classmethod
    def over(cls, label: str, values: Iterable[float], *, zero: bool = False) -> Axis:
        """Span all values, and zero if asked for; a span of nothing is widened."""
        numbers = [value for value in values if math.isfinite(value)] + [0.0] * zero or [0.0, 1.0]
        low, high = min(numbers), max(numbers)
        if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
            margin = abs(high) * 0.1 or 1.0
            low, high = low - margin, high + margin
        return cls(label, low, high)

    def marks(self) -> Sequence[tuple[float, str]]:
        """Give the ticks."""
        return self.ticks or [(value, f"{value:.6g}") for value in _round_numbers(self.low, self.high)]


SHARE = [(0.0, "0"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %")]


@dataclass(slots=True)
class Chart:
    """Collects shapes; `svg` gives the figure. Colours are numbers of the page's palette."""

    title: str
    x: Axis
    y: Axis
    width: int = WIDTH
    height: int = HEIGHT
    shapes: list[str] = field(default_factory=list)
    legend: list[tuple[str, int]] = field(default_factory=list)
    note: str = ""

    def at(self, x: float, y: float) -> tuple[str, str]:
        """Give the place of a point in the picture; what lies outside is held at the border."""
        return f"{self._x(x):.1f}", f"{self._y(y):.1f}"

    def _x(self, value: float) -> float:
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return _LEFT + min(max(share, 0.0), 1.0) * (self.width - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return self.height - _BOTTOM - min(max(share, 0.0), 1.0) * (self.height - _TOP - _BOTTOM)

    def line(self, points: Iterable[Point], color: int = 0, *, name: str = "", dashed: bool = False) -> None:
        """Draw a line through points."""
        path = " ".join(",".join(self.at(x, y)) for x, y in points)
        dash = " stroke-dasharray='4 4'" if dashed else ""
        self.shapes.append(f"<polyline points='{path}' fill=none stroke='var(--c{color})' stroke-width=1.8{dash} />")
        self._explain(name, color)

    def guide(self, *points: Point) -> None:
        """Draw a thin line that helps reading."""
        path = " ".join(",".join(self.at(x, y)) for x, y in points)
        self.shapes.append(f"<polyline points='{path}' fill=none stroke=currentColor stroke-opacity=.4 />")

    def dots(
        self, points: Iterable[Point], color: int = 0, *, name: str = "", radius: float = 2, opacity: float = 1
    ) -> None:
        """Draw points."""
        places = (self.at(x, y) for x, y in points)
        circles = "".join(f"<circle cx={x} cy={y} r={radius:g} />" for x, y in places)
        self.shapes.append(f"<g fill='var(--c{color})' fill-opacity={opacity:g}>{circles}</g>")
        self._explain(name, color)

    def bars(
        self, edges: Sequence[float], values: Sequence[float], color: int = 0, *, name: str = "", opacity: float = 0.55
    ) -> None:
        """Draw bars from zero between edges, of which there is one more than values."""
        shapes = ""
        base = self._y(max(0.0, self.y.low))
        for left, right, value in zip(edges, edges[1:], values, strict=False):
            start, top = self._x(left), self._y(value)
            wide = max(self._x(right) - start - 0.5, 0.5)
            y, tall = min(top, base), abs(base - top)
            shapes += f"<rect x={start:.1f} y={y:.1f} width={wide:.1f} height={tall:.1f} />"
        self.shapes.append(f"<g fill='var(--c{color})' fill-opacity={opacity:g}>{shapes}</g>")
        self._explain(name, color)

    def band(self, low: Sequence[Point], high: Sequence[Point], color: int = 0, *, name: str = "") -> None:
        """Fill between two lines."""
        path = " ".join(",".join(self.at(x, y)) for x, y in [*low, *reversed(high)])
        self.shapes.append(f"<polygon points='{path}' fill='var(--c{color})' fill-opacity=.2 />")
        self._explain(name, color)

    def mark(self, x: float, y: float, text: str, color: int = 1) -> None:
        """Draw one point that matters, with its text."""
        left, top = self.at(x, y)
        end = self._x(x) > self.width * 0.6
        shift, anchor = (-8, "end") if end else (8, "start")
        down = -6 if self._y(y) > self.height - _BOTTOM - 16 else 14
        self.shapes.append(
            f"<circle cx={left} cy={top} r=4.5 fill='var(--c{color})' stroke=currentColor />"
            f"<text x={float(left) + shift:.1f} y={float(top) + down:.1f} text-anchor={anchor}>{escape(text)}</text>"
        )

    def _explain(self, name: str, color: int) -> None:
        if name and (name, color) not in self.legend:
            self.legend.append((name, color))

    def svg(self) -> str:
        """Give the figure as HTML."""
        keys = "".join(
            f"<span class=key><i style='background:var(--c{color})'></i>{escape(name)}</span>"
            for name, color in self.legend
        )
        note = f"<small>{escape(self.note)}</small>" if self.note else ""
        return (
            f"<figure style='max-width:{self.width}px'><figcaption>{escape(self.title)}</figcaption>"
            f"<svg viewBox='0 0 {self.width} {self.height}' width={self.width} role=img "
            f"aria-label='{escape(self.title, quote=True)}'>{self._axes()}{''.join(self.shapes)}</svg>"
            f"<div class=keys>{keys}</div>{note}</figure>"
        )

    def _axes(self) -> str:
        right, bottom = self.width - _RIGHT, self.height - _BOTTOM
        parts = []
        for value, text in self.y.marks():
            y = self._y(value)
            parts.append(f"<line x1={_LEFT} x2={right} y1={y:.1f} y2={y:.1f} class=grid />")
            parts.append(f"<text x={_LEFT - 6} y={y + 4:.1f} text-anchor=end>{escape(text)}</text>")
        for value, text in self.x.marks():
            x = self._x(value)
            parts.append(f"<line x1={x:.1f} x2={x:.1f} y1={_TOP} y2={bottom} class=grid />")
            parts.append(f"<text x={x:.1f} y={bottom + 15} text-anchor=middle>{escape(text)}</text>")
        middle = (_TOP + bottom) / 2
        parts.append(
            f"<text x={(_LEFT + right) / 2} y={self.height - 6} text-anchor=middle class=axis>"
            f"{escape(self.x.label)}</text>"
            f"<text transform='translate(11 {middle:.1f}) rotate(-90)' text-anchor=middle class=axis>"
            f"{escape(self.y.label)}</text>"
        )
        return "".join(parts)


def _round_numbers(low: float, high: float) -> list[float]:
    """Give about five round numbers from low to high: 1, 2 or 5 times a power of ten apart."""
    raw = (high - low) / _TICKS
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]


def thinned(points: Sequence[Point], most: int = 300) -> list[Point]:
    """Leave out points of a curve that has too many, at equal distances; both ends stay."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(place * step)] for place in range(most)]


def short(text: object, most: int = 18) -> str:
    """Give a text that fits a legend."""
    said = str(text)
    return said if len(said) <= most else f"{said[: most - 1]}…"
