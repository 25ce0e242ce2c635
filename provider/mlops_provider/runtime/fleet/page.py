"""The page of a fleet: one row for each item, sorted by the worst first, and a plot of the metric that they share."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.metrics import goodness
from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_provider.runtime.fleet.member import Member

_STYLE = (
    "<style>body{max-width:75rem}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}th{cursor:pointer}"
    "th:hover{text-decoration:underline}.failed,.blocked{color:#c93c37}.passed,.succeeded{color:#1a7f37}"
    ".vacuous,.skipped{color:#b8860b}@media(prefers-color-scheme:dark){.failed,.blocked{color:#f47067}"
    ".passed,.succeeded{color:#57ab5a}.vacuous,.skipped{color:#daaa3f}}td:first-child,td.v{white-space:nowrap}td.why{font-size:.85rem;max-width:24rem;"
    "overflow-wrap:anywhere}.wide{overflow-x:auto}</style>"
)
# Sorts by the column whose head is clicked: numbers as numbers, again the other way round.
_SCRIPT = (
    "<script>document.querySelectorAll('th').forEach((h,i)=>h.onclick=()=>{const b=h.closest('table').tBodies[0],"
    "d=h.d=-(h.d||-1),k=r=>r.cells[i].dataset.v??r.cells[i].textContent;[...b.rows].sort((x,y)=>{const p=k(x),q=k(y),"
    "n=p-q;return d*(p===''||q===''?(p==='')-(q===''):isNaN(n)?p.localeCompare(q):n)}).forEach(r=>b.append(r))})"
    "</script>"
)
_COLORS = {"failed": "#c93c37", "blocked": "#c93c37", "passed": "#2e7d32", "succeeded": "#2e7d32"}
_MOST_METRICS = 4
_WIDTH, _LEFT, _LINE = 720, 150, 13


def fleet_page(title: str, run_id: str, members: Sequence[Member], counts: Mapping[str, int], metric: str) -> str:
    """Write the page of items that are sorted already."""
    said = " · ".join(f"<b class={status}>{count} {status}</b>" for status, count in counts.items())
    about = f"<p>Run <code>{escape(run_id)}</code><br>{said}</p>"
    return page(title, _STYLE, about, _plot(members, metric), _table(members, metric), _SCRIPT)


def _table(members: Sequence[Member], metric: str) -> str:
    names = [metric] if metric else []
    names += [name for member in members for name in member.metrics if name not in names]
    names = list(dict.fromkeys(names))[:_MOST_METRICS]
    head = "".join(f"<th class=n>{escape(name)}" for name in names)
    rows = "".join(_row(member, names, metric) for member in members)
    columns = f"<th>item<th>verdict<th class=n>rows{head}<th class=n>against its champion<th>version"
    return (
        "<h2>Items, the worst first</h2><p class=dim>A click on a head sorts by it.</p><div class=wide><table>"
        f"<thead><tr>{columns}<th class=n>seconds<th>why</thead><tbody>{rows}</tbody></table></div>"
    )


def _row(member: Member, names: list[str], metric: str) -> str:
    values = "".join(_number(member.metrics.get(name), ".4f") for name in names)
    gain = _gain(member, metric)
    title = f" title='{escape(member.champion_note, quote=True)}'" if member.champion_note else ""
    against = f"<td class=n data-v='{'' if gain is None else gain}'{title}>{'' if gain is None else f'{gain:+.4f}'}"
    version = escape(f"{member.name} {member.version}".strip())
    return (
        f"<tr><td>{escape(member.label)}<td class={member.status}>{member.status}{_number(member.rows, ',')}{values}"
        f"{against}<td class=v>{version}{_number(member.seconds, '.2f')}<td class=why>{escape(member.why)}"
    )


def _number(value: float | None, form: str) -> str:
    return "<td class=n data-v=''>" if value is None else f"<td class=n data-v='{value}'>{value:{form}}"


def _gain(member: Member, metric: str) -> float | None:
    """Give by how much an item is better than its champion; above 0 is better."""
    if metric not in member.metrics or metric not in member.champion:
        return None
    return goodness(metric, member.metrics[metric]) - goodness(metric, member.champion[metric])


def _plot(members: Sequence[Member], metric: str) -> str:
    """Draw the metric of every item, with a hollow dot for its champion."""
    shown = [member for member in members if metric in member.metrics]
    if not shown:
        return ""
    values = [member.metrics[metric] for member in shown]
    values += [member.champion[metric] for member in shown if metric in member.champion]
    low, high = min(values), max(values)
    scale = (_WIDTH - _LEFT - 60) / ((high - low) or 1.0)
    parts = []
    for place, member in enumerate(shown):
        y = 24 + place * _LINE
        x = _LEFT + (member.metrics[metric] - low) * scale
        label = member.label if len(member.label) < 22 else f"{member.label[:20]}…"  # noqa: PLR2004 (what fits)
        parts.append(f"<text x={_LEFT - 10} y={y + 4} text-anchor=end>{escape(label)}</text>")
        parts.append(
            f"<line x1={_LEFT} x2={_WIDTH - 60} y1={y} y2={y} stroke='currentColor' stroke-opacity=.12 />"
            f"<circle cx={x:.1f} cy={y} r=4 fill='{_COLORS.get(member.status, '#b8860b')}'>"
            f"<title>{escape(member.label)}: {member.metrics[metric]:.4f}, {member.status}</title></circle>"
        )
        if metric in member.champion:
            x = _LEFT + (member.champion[metric] - low) * scale
            parts.append(f"<circle cx={x:.1f} cy={y} r=4 fill=none stroke='currentColor' stroke-opacity=.7 />")
    ends = (
        f"<text x={_LEFT} y=12 text-anchor=middle>{low:.3g}</text>"
        f"<text x={_WIDTH - 60} y=12 text-anchor=middle>{high:.3g}</text>"
    )
    champions = "; hollow: its champion on the same rows" if any(metric in m.champion for m in shown) else ""
    height = 34 + len(shown) * _LINE
    return (
        f"<h2>{escape(metric)} of every item</h2><p class=dim>Green passed, red did not{champions}.</p>"
        f"<svg viewBox='0 0 {_WIDTH} {height}' width={_WIDTH} role=img>{ends}{''.join(parts)}</svg>"
    )
