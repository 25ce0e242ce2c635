"""A small picture of one metric: its interval, its value, and the champion beside it."""

from __future__ import annotations

_WIDTH, _HEIGHT, _MARGIN = 150, 20, 8


def interval(value: float, between: tuple[float, float] | None, champion: float | None) -> str:
    """Draw an interval as a line, the value as a dot, the champion as a diamond, on a scale of their own."""
    numbers = [value, *(between or ()), *([champion] if champion is not None else [])]
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0

    def at(number: float) -> float:
        return _MARGIN + (number - low) / span * (_WIDTH - 2 * _MARGIN) if high > low else _WIDTH / 2

    middle = _HEIGHT / 2
    line = ""
    if between:
        left, right = at(between[0]), at(between[1])
        line = (
            f"<line x1={left:.1f} x2={right:.1f} y1={middle} y2={middle} stroke='var(--c0)' stroke-width=2 />"
            f"<line x1={left:.1f} x2={left:.1f} y1=5 y2=15 stroke='var(--c0)' />"
            f"<line x1={right:.1f} x2={right:.1f} y1=5 y2=15 stroke='var(--c0)' />"
        )
    dot = f"<circle cx={at(value):.1f} cy={middle} r=3.5 fill='var(--c0)' />"
    other = ""
    if champion is not None:
        x = at(champion)
        other = f"<path d='M{x:.1f} 4l5 6l-5 6l-5-6z' fill='var(--c1)' fill-opacity=.85 />"
    return f"<svg width={_WIDTH} height={_HEIGHT} viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img>{line}{other}{dot}</svg>"
