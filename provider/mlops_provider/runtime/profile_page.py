"""Profiles and their differences as a page with plots."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from mlops_provider.runtime.data_diff import DataDiff
    from mlops_provider.runtime.profile import Profile

_WIDTH, _HEIGHT = 260, 80
_COLORS = ("#4c78a8", "#e45756")


def profile_page(title: str, profile: Profile) -> str:
    """Write the page of one dataset: a row for each column, with its distribution."""
    rows = "".join(_row(column, None, profile["rows"], 0, {}) for column in profile["columns"])
    about = f"<p>{profile['rows']:,} rows, {len(profile['columns'])} columns.</p>"
    return page(title, about, f"<table>{_head('')}{rows}</table>")


def diff_page(title: str, diff: DataDiff) -> str:
    """Write the page of two datasets: what changed in words, then each column of both, those that moved first."""
    before, after = diff["before"], diff["after"]
    new = {column["name"]: column for column in after["columns"]}
    words = [f"{before['rows']:,} rows before, {after['rows']:,} now."]
    words += [f"<b>{name}</b>: {', '.join(map(escape, diff[name]))}." for name in ("added", "removed") if diff[name]]
    words += [f"<b>{escape(name)}</b> was {old}, is {now}." for name, (old, now) in diff["retyped"].items()]
    legend = f"<p class=dim><b style='color:{_COLORS[0]}'>before</b> · <b style='color:{_COLORS[1]}'>now</b></p>"
    order = sorted((c for c in before["columns"] if c["name"] in new), key=lambda c: c["name"] not in diff["columns"])
    rows = "".join(
        _row(c, new[c["name"]], before["rows"], after["rows"], diff["columns"].get(c["name"], {})) for c in order
    )
    text = "".join(f"<p>{word}</p>" for word in words)
    return page(title, text, legend, f"<table>{_head('moved')}{rows}</table>")


def said_change(moved: dict[str, Any]) -> str:
    """Say in words how a column moved."""
    parts = []
    if "mean" in moved:
        parts.append(f"mean {moved['mean'][0]:.4g} → {moved['mean'][1]:.4g} ({moved['shift']:+.2f} deviations)")
    if "missing_share" in moved:
        parts.append(f"missing {moved['missing_share'][0]:.1%} → {moved['missing_share'][1]:.1%}")
    if "moved_share" in moved:
        parts.append(f"{moved['moved_share']:.0%} of the values moved")
    parts += [
        f"{name.replace('_', ' ')}: {', '.join(moved[name])}"
        for name in ("new_values", "gone_values")
        if moved.get(name)
    ]
    return "; ".join(parts)


def _head(more: str) -> str:
    names = ["column", "type", "missing", "distinct", "range", "distribution", *([more] if more else [])]
    return f"<tr>{''.join(f'<th>{name}' for name in names)}"


def _row(
    column: dict[str, Any], other: dict[str, Any] | None, rows: int, other_rows: int, moved: dict[str, Any]
) -> str:
    missing = f"{column['missing'] / max(rows, 1):.1%}"
    if other is not None and (now := f"{other['missing'] / max(other_rows, 1):.1%}") != missing:
        missing += f" → {now}"
    span = f"{_short(column.get('minimum'))} … {_short(column.get('maximum'))}"
    cells = [
        f"<b>{escape(column['name'])}</b>", escape(column["type"].lower()), missing, f"≈ {column['distinct']:,}", span,
        _plot(column, other, rows, other_rows), *([escape(said_change(moved))] if other is not None else []),
    ]  # fmt: skip
    return f"<tr{' class=warn' if moved else ''}>{''.join(f'<td>{cell}' for cell in cells)}"


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value if value is not None else "")
    return escape(text if len(text) <= 20 else f"{text[:19]}…")  # noqa: PLR2004 (a column's width)


def _plot(column: dict[str, Any], other: dict[str, Any] | None, rows: int, other_rows: int) -> str:
    if "histogram" in column:
        sides = [(column["histogram"], rows)]
        if other is not None and "histogram" in other:
            sides.append((other["histogram"], other_rows))
        return _histograms(sides)
    tops = [(dict(column.get("top", [])), rows)] + ([(dict(other.get("top", [])), other_rows)] if other else [])
    return _bars(tops)


def _histograms(sides: list[tuple[list[list[float]], int]]) -> str:
    low = min(side[0][0] for side, _ in sides)
    high = max(side[0][-1] for side, _ in sides)
    scale = _WIDTH / ((high - low) or 1)
    densities = []
    for (edges, counts), _ in sides:
        total = sum(counts) or 1
        densities.append([count / total / ((edges[1] - edges[0]) or 1) for count in counts])
    top = max((value for side in densities for value in side), default=0) or 1
    shapes = ""
    for ((edges, _), _), density, color in zip(sides, densities, _COLORS, strict=False):
        for left, right, value in zip(edges, edges[1:], density, strict=False):
            height = value / top * (_HEIGHT - 4)
            shapes += (
                f"<rect x='{(left - low) * scale:.1f}' y='{_HEIGHT - height:.1f}' width='{(right - left) * scale:.1f}' "
                f"height='{height:.1f}' fill='{color}' fill-opacity='.55'/>"
            )
    return f"<svg width={_WIDTH} height={_HEIGHT} viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img>{shapes}</svg>"


def _bars(sides: list[tuple[dict[str, int], int]]) -> str:
    values = list(dict.fromkeys(value for side, _ in sides for value in side))[:8]
    line = 14 * len(sides)
    top = max((side.get(value, 0) / max(rows, 1) for side, rows in sides for value in values), default=0) or 1
    shapes = ""
    for place, value in enumerate(values):
        shapes += f"<text x=0 y='{place * line + 11}'>{escape(value if len(value) < 15 else value[:14] + '…')}</text>"  # noqa: PLR2004
        for number, (side, rows) in enumerate(sides):
            width = side.get(value, 0) / max(rows, 1) / top * (_WIDTH - 100)
            y = place * line + number * 13 + 2
            shapes += f"<rect x=95 y={y} width='{width:.1f}' height=10 fill='{_COLORS[number]}' fill-opacity='.7'/>"
    height = max(line * len(values), 14)
    return f"<svg width={_WIDTH} height={height} viewBox='0 0 {_WIDTH} {height}' role=img>{shapes}</svg>"
