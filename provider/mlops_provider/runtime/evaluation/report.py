"""Write the report of an evaluation: report.json, report.md and report.html."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.calibration import ErrorProfile
from mlops_provider.runtime.error_analysis import confusion_pairs, worst_rows
from mlops_provider.runtime.evaluation import drawings, tables
from mlops_provider.runtime.evaluation.evidently_page import EVIDENTLY, EVIDENTLY_ROWS, MOST_ROWS, made_when_opened
from mlops_provider.runtime.report_page import page
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_provider.runtime.calibration import Reliability
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.evaluation.evaluation import Evaluation

_WORST_ROWS = 20


def write_report(folder: Path, context: RunContext, found: Evaluation, summary: str) -> None:
    """Write the three files; the same evaluation gives the same bytes. `summary` is Markdown, for report.md."""
    title = f"{context.workflow}: {context.phase}"
    sides = drawings.reliabilities(found.answers)
    rows = worst_rows(found.answers, found.frame, _WORST_ROWS, masked=found.masked)
    pairs = confusion_pairs(found.answers) if found.answers.signature.task == "classification" else []
    content = _content(found, sides, rows, pairs)
    (folder / "report.json").write_bytes(json_bytes({"title": title, **content}))
    (folder / "report.md").write_text(f"# {title}\n\n{summary}", encoding="utf-8")
    evidently = _evidently(folder, context, found)
    html = page(title, *_parts(context, found, sides, rows, pairs, evidently))
    (folder / "report.html").write_text(html, encoding="utf-8")


def _content(
    found: Evaluation, sides: dict[str, Reliability], rows: list[dict[str, Any]], pairs: list[dict[str, Any]]
) -> dict[str, Any]:
    answers = found.answers
    calibration: dict[str, Any] = {name: side.to_dict() for name, side in sides.items()}
    if answers.signature.task in {"regression", "forecasting"}:
        calibration = ErrorProfile.of(answers.truth, answers.predicted).to_dict()
    return {
        "task": answers.signature.task,
        "metrics": dict(found.measured.metrics),
        "verdict": found.verdict.to_dict(),
        **found.details(),
        "slices": found.slices.to_dict(),
        "calibration": calibration,
        "worst_rows": rows,
        "confusion_pairs": pairs,
        "lineage": dict(found.lineage),
        "evidently": found.evidently,
    }


def _parts(
    context: RunContext,
    found: Evaluation,
    sides: dict[str, Reliability],
    rows: list[dict[str, Any]],
    pairs: list[dict[str, Any]],
    evidently: str,
) -> list[str]:
    """Give the page's parts in the order of somebody in a hurry: may it go on, how good, where not, why, what from."""
    answers = found.answers
    slices = tables.slices(found)
    calibration = drawings.calibration(answers, sides)
    where = (
        f"<details><summary>The {len(rows)} rows with the largest losses</summary>{tables.row_table(rows)}</details>"
    )
    if pairs:
        where = f"<h3>Taken for one another</h3>{tables.pair_table(pairs)}{where}"
    lines = [[escape(name), f"<code>{escape(value)}</code>"] for name, value in found.lineage.items()]
    lines.append(["run", f"<code>{escape(context.run_id)}</code>"])
    return [
        tables.verdict(found.verdict),
        f"<h2>Metrics</h2>{tables.metrics(found)}",
        f"<h2>Worst slices</h2>{slices}" if slices else "",
        f"<h2>Calibration</h2>{calibration}" if calibration else "",
        f"<h2>Plots</h2>{drawings.plots(answers, found.frame)}",
        f"<h2>Where it errs</h2>{where}",
        *found.sections,
        f"<h2>Lineage</h2>{tables.table(['', ''], lines)}",
        f"<p><a href='report.json'>All numbers</a> · <a href='report.md'>Summary</a></p>{evidently}",
    ]


def _evidently(folder: Path, context: RunContext, found: Evaluation) -> str:
    """Lead to Evidently's page, or say how to have it made, or why there is none."""
    rows = len(found.answers.truth)
    some = f"{MOST_ROWS:,} of these rows" if rows > MOST_ROWS else "these rows"
    if (folder / EVIDENTLY).exists():
        return f"<p><a href='{EVIDENTLY}'>Evidently's report</a> of {some} (4 MB).</p>"
    if (folder / EVIDENTLY_ROWS).exists():
        return f"<p>{made_when_opened(context)} It shows {some}.</p>"
    return f"<p class=dim>No report of Evidently's: {escape(found.evidently)}.</p>" if found.evidently else ""
