"""The page of two runs side by side."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.iterations.statement import shown
from mlops_provider.runtime.iterations.words import changes_html, explanation_html, judged
from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.runtime.iterations.comparison import Comparison
    from mlops_provider.runtime.iterations.scores import Step

_STYLE = (
    "<style>.good{color:#1a7f37}.bad{color:#c93c37}@media(prefers-color-scheme:dark){.good{color:#57ab5a}.bad{color:#f47067}}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}tr.moved td{font-weight:600}"
    "td:first-child,th{white-space:nowrap}code{overflow-wrap:anywhere}</style>"
)


def comparison_page(found: Comparison) -> str:
    """Write the page: what changed and why first, then parameters, metrics and phases."""
    title = f"{found.later.workflow}: what changed between two runs"
    about = (
        f"<p>Earlier: <code>{escape(found.earlier.run_id)}</code>, {_when(found.earlier.started)}<br>"
        f"Later: <code>{escape(found.later.run_id)}</code>, {_when(found.later.started)}</p>"
    )
    if found.explanation:
        why = f"<h2>{escape(found.explanation.phase)}</h2>{explanation_html(found.explanation)}"
    else:
        why = f"<h2>What changed</h2>{changes_html(found.changes)}"
    shown_already = found.explanation.phase if found.explanation else ""
    others = {name: steps for name, steps in found.metrics.items() if name != shown_already}
    return page(title, _STYLE, about, why, _parameters(found), _metrics(others), _phases(found))


def _when(moment: str) -> str:
    return escape(moment[:19].replace("T", " ")) + " UTC"


def _parameters(found: Comparison) -> str:
    rows = [
        f"<tr{' class=moved' if old != new else ''}><td>{escape(name)}<td>{escape(shown(old))}<td>{escape(shown(new))}"
        for name, (old, new) in found.parameters.items()
    ]
    return _table("Parameters of the run", ["parameter", "earlier", "later"], rows)


def _metrics(metrics: dict[str, list[Step]]) -> str:
    rows = []
    for phase, steps in metrics.items():
        for step in steps:
            sign = {True: "good", False: "bad", None: "dim"}[step.better]
            moved = f"{step.difference:+.4g}" if step.difference else ""
            rows.append(
                f"<tr{' class=moved' if moved else ''}><td>{escape(phase)}<td>{escape(step.name)}"
                f"<td class=n>{_number(step.earlier)}<td class=n>{_number(step.later)}<td class=n>{moved}"
                f"<td class={sign}>{judged(step)}"
            )
    return _table("Metrics of the other phases", ["phase", "metric", "n:earlier", "n:later", "n:difference", ""], rows)


def _phases(found: Comparison) -> str:
    rows = [
        f"<tr><td>{escape(pair.phase)}<td>{_words(pair.status)}<td>{_words(pair.verdict)}"
        f"<td class=n>{_number(pair.seconds[0])}<td class=n>{_number(pair.seconds[1])}"
        f"<td class=n>{_number(pair.memory[0])}<td class=n>{_number(pair.memory[1])}"
        for pair in found.phases
    ]
    head = ["phase", "status", "verdict", "n:seconds", "n:then", "n:peak MiB", "n:then"]
    return _table("Phases", head, rows)


def _words(values: Sequence[str | None]) -> str:
    old, new = (value or "-" for value in values)
    return escape(new if old == new else f"{old} → {new}")


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"  # noqa: PLR2004 (a width)


def _table(title: str, head: list[str], rows: list[str]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<th class=n>{name[2:]}" if name.startswith("n:") else f"<th>{name}" for name in head)
    return f"<h2>{escape(title)}</h2><table><tr>{cells}{''.join(rows)}</table>"
