"""The report of a check: numbers as JSON, words as Markdown, and a page with the verdict and every column."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.evaluation.evidently_page import EVIDENTLY_ROWS, made_when_opened
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.monitor.findings import Findings

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{padding:.25rem .8rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid #8884}"
    "code{font-size:.85rem;overflow-wrap:anywhere}.dim{opacity:.65}"
    "td.bar{width:30%}td.bar i{display:block;height:.8rem;margin-top:.35rem;background:#1a7f37;border-radius:2px}"
    "td.bar i.over{background:#c93c37}"
)


def write_report(folder: Path, context: RunContext, found: Findings) -> None:
    """Write report.json, report.md and report.html; the page leads to Evidently's, where there is one."""
    content: dict[str, Any] = {
        "identity": context.identity,
        "verdict": found.verdict.to_dict(),
        "vacuous": found.vacuous,
        "metrics": found.metrics,
        "scores": found.scores,
        "methods": found.methods,
        "bad_columns": found.bad_columns,
        "notes": found.notes,
        **found.more,
    }
    (folder / "report.json").write_bytes(json_bytes(content))
    title = f"{context.workflow}: monitor"
    (folder / "report.md").write_text(f"# {title}\n\n{found.summary()}")
    (folder / "report.html").write_text(_page(title, context, found, plots=(folder / EVIDENTLY_ROWS).exists()))


def _page(title: str, context: RunContext, found: Findings, *, plots: bool) -> str:
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(found.summary())
    link = f"<p>{made_when_opened(context)} It shows how every column is distributed.</p>" if plots else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style><body><h1>{escape(title)}</h1>"
        f"<p class=dim>run <code>{escape(context.run_id)}</code></p>{body}{_columns(found)}"
        f"{''.join(found.sections)}{link}</body></html>"
    )


def _columns(found: Findings) -> str:
    """Write a table of the features: first what cannot be compared, then by score, the worst first."""
    lines = [f"<tr><th>{escape(name)}<td>—<td class=bar><td>{escape(why)}" for name, why in found.bad_columns.items()]
    for name, score in sorted(found.scores.items(), key=lambda item: -item[1]):
        width = min(score / (found.threshold * 4), 1) * 100
        over = " class=over" if score >= found.threshold else ""
        said = escape("; ".join(text for text in (found.methods[name], found.notes.get(name, "")) if text))
        lines.append(
            f"<tr><th>{escape(name)}<td>{score:.3f}<td class=bar><i{over} style='width:{width:.0f}%'></i><td>{said}"
        )
    if not lines:
        return ""
    head = "<tr><th>feature<th>score<th><th>method, and what is odd"
    return f"<h2>Features</h2><p>Drifted from {found.threshold:g}.</p><table>{head}{''.join(lines)}</table>"
