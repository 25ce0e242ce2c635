"""The confusion matrix: how often each class was taken for each."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.plots.chart import short

if TYPE_CHECKING:
    from collections.abc import Sequence

_CELL, _TOP = 38, 62


def confusion(labels: Sequence[Any], matrix: Sequence[Sequence[int]], left_out: int = 0) -> str:
    """Draw a matrix of true (rows) by predicted classes; a cell's strength is its share of the true class."""
    left = 46 + 7 * max(len(short(label)) for label in labels)
    size = _CELL * len(labels)
    parts = [f"<text x={left + size / 2} y=14 text-anchor=middle class=axis>predicted</text>"]
    parts.append(
        f"<text transform='translate(12 {_TOP + size / 2}) rotate(-90)' text-anchor=middle class=axis>true</text>"
    )
    slant = max(len(str(label)) for label in labels) > 4  # noqa: PLR2004 (as many characters fit a cell)
    for i, label in enumerate(labels):
        name, middle = escape(short(label, 12)), i * _CELL + _CELL / 2
        how = (
            f"transform='translate({left + middle} {_TOP - 6}) rotate(-30)'"
            if slant
            else (f"x={left + middle} y={_TOP - 8} text-anchor=middle")
        )
        parts.append(f"<text {how}>{name}</text>")
        parts.append(f"<text x={left - 8} y={_TOP + middle + 4} text-anchor=end>{escape(short(label))}</text>")
        total = max(sum(matrix[i]), 1)
        for j, count in enumerate(matrix[i]):
            color = "ok" if i == j else "bad"
            x, y = left + j * _CELL, _TOP + i * _CELL
            parts.append(
                f"<rect x={x} y={y} width={_CELL - 1} height={_CELL - 1} style='fill:var(--{color})' "
                f"fill-opacity={0.85 * count / total:.3f} class=cell />"
                f"<text x={x + _CELL / 2} y={y + _CELL / 2 + 4} text-anchor=middle>{_count(count)}</text>"
            )
    note = f"<small>The {len(labels)} most frequent classes; {left_out} more are not shown.</small>" if left_out else ""
    wide, tall = left + size + 40, _TOP + size + 8
    return (
        f"<figure><figcaption>Confusion</figcaption><svg viewBox='0 0 {wide} {tall}' width={wide} role=img "
        f"aria-label='confusion matrix'>{''.join(parts)}</svg>{note}</figure>"
    )


def _count(count: int) -> str:
    if not count:
        return ""
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1e6:.1f}M"  # noqa: PLR2004
