"""The report of a check: numbers as JSON, words as Markdown, and a page: the verdict first, then why, then the rest."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_provider.runtime.columns.scores import shown
from mlops_provider.runtime.evaluation import tables
from mlops_provider.runtime.evaluation.evidently_page import EVIDENTLY_ROWS, made_when_opened
from mlops_provider.runtime.iterations.history import MONITORING
from mlops_provider.runtime.monitor.causes.section import causes_section, history_section
from mlops_provider.runtime.monitor.content import REPORT
from mlops_provider.runtime.report_page import page
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.monitor.causes.find import Causes
    from mlops_provider.runtime.monitor.findings import Findings

MOST_FEATURES = 40
_WORDS = {"blocked": "breach", "passed": "no breach", "vacuous": "not judged"}
_FULL = 4
"""A bar is full at so many times the threshold."""


def write_report(folder: Path, context: RunContext, found: Findings, causes: Causes, *, about: str = "") -> None:
    """Write report.json, report.md and report.html; `about` says which rows of which version were looked at."""
    content: dict[str, Any] = {
        "identity": context.identity,
        "verdict": found.verdict.to_dict(),
        "vacuous": found.vacuous,
        "metrics": found.metrics,
        "scores": found.scores,
        "methods": found.methods,
        "bad_columns": found.bad_columns,
        "notes": found.notes,
        "causes": causes.to_dict(),
        **found.more,
    }
    (folder / REPORT).write_bytes(json_bytes(content))
    title = f"{context.workflow}: monitor"
    why = "".join(f"- {said}\n" for said in causes.says())
    words = [f"# {title}", about, found.summary(), f"## Why\n\n{why}" if why else ""]
    (folder / "report.md").write_text("\n\n".join(part for part in words if part))
    plots = f"<p>{made_when_opened(context)} It shows how every column is distributed.</p>"
    parts = [
        f"<p class=dim>{escape(about)}</p>" if about else "",
        _verdict(found),
        f"<p>{_decision(context)}</p>",
        causes_section(causes),
        _features(found),
        *found.sections,
        history_section(causes),
        _numbers(found),
        plots if (folder / EVIDENTLY_ROWS).exists() else "",
        f"<p class=dim>run <code>{escape(context.run_id)}</code></p>",
    ]
    (folder / "report.html").write_text(page(title, *parts))


def _verdict(found: Findings) -> str:
    if found.vacuous:
        said = f"{found.vacuous[:1].upper()}{found.vacuous[1:]}."
        return f"<p class='verdict vacuous'>not judged</p><p>{escape(said)}</p>"
    word, table = tables.verdict(found.verdict, _WORDS.get(found.verdict.status, "")).split("</p>", 1)
    broken = "".join(f"<li>{escape(why)}</li>" for why in found.verdict.failures())
    return f"{word}</p>{f'<ul>{broken}</ul>' if broken else ''}{table}"


def _decision(context: RunContext) -> str:
    """Lead to what was decided, which is made after this page."""
    run = quote(context.run_id.removeprefix(MONITORING), safe="")
    command = f"mlops monitor explain {context.workflow}"
    return (
        f"<a href='../../runs/{escape(run)}/phases/decide'>What was decided and done</a>, or "
        f"<code>{escape(command)}</code>."
    )


def _features(found: Findings) -> str:
    """Write a table of the features: first what cannot be compared, then by score over threshold, the worst first."""
    rows = [[escape(name), "", "", "", escape(why)] for name, why in found.bad_columns.items()]

    def beyond(name: str) -> float:
        return found.scores[name] / (found.thresholds.get(name, found.threshold) or 1.0)

    for name in sorted(found.scores, key=lambda name: (-beyond(name), name)):
        over = beyond(name)
        said = "; ".join(text for text in (found.methods.get(name, ""), found.notes.get(name, "")) if text)
        threshold = found.thresholds.get(name, found.threshold)
        rows.append([escape(name), shown(found.scores[name], 3), f"{threshold:.3g}", _bar(over), escape(said)])
    if not rows:
        return ""
    head = ["feature", "score", "drifted from", "", "method, and what is odd"]
    first, rest = rows[:MOST_FEATURES], rows[MOST_FEATURES:]
    more = ""
    if rest:
        more = f"<details><summary>{len(rest)} more</summary>{tables.table(head, rest, numbers=[1, 2])}</details>"
    return f"<h2>Features</h2>{tables.table(head, first, numbers=[1, 2])}{more}"


def _bar(over: float) -> str:
    """Draw how far a score is on its way to four times its threshold, and where the threshold is."""
    color = "var(--bad)" if over >= 1 else "var(--ok)"
    width = min(over / _FULL, 1) * 100
    return (
        "<span style='display:inline-block;position:relative;width:8rem;height:.7rem;background:#8882'>"
        f"<i style='position:absolute;left:0;top:0;bottom:0;width:{width:.0f}%;background:{color}'></i>"
        f"<i style='position:absolute;left:{100 / _FULL:.0f}%;top:-.15rem;bottom:-.15rem;border-left:1px solid'></i>"
        "</span>"
    )


def _numbers(found: Findings) -> str:
    if not found.metrics:
        return ""
    rows = [[escape(name), tables.number(value)] for name, value in found.metrics.items()]
    return f"<details><summary>All numbers</summary>{tables.table(['metric', 'value'], rows, numbers=[1])}</details>"
