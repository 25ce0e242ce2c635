"""The evaluation's report: numbers as JSON, words as Markdown, and a self-contained page with one plot."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.report_page import markdown, page
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]

_MOST_CLASSES = 30
_MOST_POINTS = 1000


def write_report(
    folder: Path,
    context: RunContext,
    signature: Signature,
    truth: Array,
    predicted: Array,
    summary: str,
    content: dict[str, Any],
) -> None:
    """Write report.json, report.md and report.html."""
    title = f"{context.workflow}: {context.phase}"
    (folder / "report.json").write_bytes(json_bytes({"title": title, **content}))
    (folder / "report.md").write_text(f"# {title}\n\n{summary}")
    plot = (
        _confusion(signature, truth, predicted) if signature.task == "classification" else _residuals(truth, predicted)
    )
    run = f"<p>Run <code>{escape(context.run_id)}</code></p>"
    (folder / "report.html").write_text(page(title, run, markdown(summary), plot))


def _confusion(signature: Signature, truth: Array, predicted: Array) -> str:
    from sklearn.metrics import confusion_matrix

    labels = _shown_classes(signature, truth)
    matrix = confusion_matrix(truth, predicted, labels=labels)
    cell, left, top = 36, 90, 60
    size = cell * len(labels)
    parts = [f"<svg viewBox='0 0 {left + size + 20} {top + size + 20}' width='{left + size + 20}' role=img>"]
    parts.append(f"<text x='{left + size / 2}' y=16 text-anchor=middle>predicted</text>")
    parts.append(f"<text x=8 y='{top + size / 2}'>true</text>")
    for i, label in enumerate(labels):
        name = escape(str(label)[:10])
        parts.append(f"<text x='{left + i * cell + cell / 2}' y='{top - 8}' text-anchor=middle>{name}</text>")
        parts.append(f"<text x='{left - 8}' y='{top + i * cell + cell / 2 + 4}' text-anchor=end>{name}</text>")
        total = max(int(matrix[i].sum()), 1)
        for j, count in enumerate(matrix[i]):
            share = int(count) / total
            hue = "46,125,50" if i == j else "198,40,40"
            x, y = left + j * cell, top + i * cell
            parts.append(
                f"<rect x={x} y={y} width={cell - 1} height={cell - 1} fill='rgba({hue},{share:.3f})' stroke='#8884'/>"
                f"<text x='{x + cell / 2}' y='{y + cell / 2 + 4}' text-anchor=middle>{int(count) or ''}</text>"
            )
    left_out = len(signature.classes) - len(labels)
    note = f"<p>The {len(labels)} most frequent classes; {left_out} more are not shown.</p>" if left_out else ""
    return f"<h2>Confusion</h2>{note}{''.join(parts)}</svg>"


def _shown_classes(signature: Signature, truth: Array) -> list[Any]:
    """Give the classes that occur most, in the model's order."""
    counts = Counter(truth.tolist())
    most = sorted(signature.classes, key=lambda label: -counts[label])[:_MOST_CLASSES]
    return [label for label in signature.classes if label in most]


def _residuals(truth: Array, predicted: Array) -> str:
    step = max(1, len(truth) // _MOST_POINTS)
    points = [(float(t), float(p)) for t, p in zip(truth[::step], predicted[::step], strict=True)]
    low = min(min(point) for point in points)
    span = (max(max(point) for point in points) - low) or 1.0
    size = 400

    def at(value: float) -> float:
        return (value - low) / span * size

    dots = "".join(f"<circle cx={at(t):.1f} cy={size - at(p):.1f} r=2.5 fill='#1565c088'/>" for t, p in points)
    line = f"<line x1=0 y1={size} x2={size} y2=0 stroke='#8888'/>"
    return (
        f"<h2>Predicted against true</h2><svg viewBox='-10 -10 {size + 20} {size + 40}' width={size}>{line}{dots}"
        f"<text x={size / 2} y={size + 24} text-anchor=middle>true, {low:.4g} to {low + span:.4g}</text></svg>"
    )
