"""Curves of scores: ROC, precision and recall, gains, reliability, and how scores of the classes are spread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.plots.chart import COLORS, SHARE, Axis, Chart, Point, short, thinned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from mlops_provider.runtime.calibration import Reliability

    Array = np.ndarray[Any, Any]

_BINS = 25
MOST_CLASSES = COLORS
"""Classes that one plot can tell apart."""


def roc(sides: Mapping[str, tuple[Array, Array]], operating: Point | None = None) -> str:
    """Draw the ROC curve of each class: name -> (happened, score); `operating` is where the predictions stand."""
    from sklearn.metrics import roc_auc_score, roc_curve

    chart = Chart("ROC", Axis("false positive rate", 0, 1), Axis("true positive rate", 0, 1))
    chart.guide((0, 0), (1, 1))
    for color, (name, (happened, score)) in enumerate(sides.items()):
        false, true, _ = roc_curve(happened, score)
        area = roc_auc_score(happened, score)
        points = thinned(list(zip(false.tolist(), true.tolist(), strict=True)))
        chart.line(points, color, name=f"{short(name)}: area {area:.3f}")
    if operating is not None:
        chart.mark(*operating, "as predicted", len(sides))
    return chart.svg()


def precision_recall(sides: Mapping[str, tuple[Array, Array]], operating: Point | None = None) -> str:
    """Draw precision over recall of each class: name -> (happened, score); the dashed line is the class's share."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    chart = Chart("Precision and recall", Axis("recall", 0, 1), Axis("precision", 0, 1))
    for color, (name, (happened, score)) in enumerate(sides.items()):
        precision, recall, _ = precision_recall_curve(happened, score)
        mean = average_precision_score(happened, score)
        points = thinned(list(zip(recall.tolist(), precision.tolist(), strict=True)))
        chart.line(points, color, name=f"{short(name)}: mean precision {mean:.3f}")
        if len(sides) == 1:
            base = float(happened.mean())
            chart.line([(0, base), (1, base)], color, dashed=True)
    if operating is not None:
        chart.mark(*operating, "as predicted", len(sides))
    return chart.svg()


def gains(happened: Array, score: Array) -> str:
    """Draw what share of the positives the highest scores hold, with the lift of the first tenth."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    found = np.concatenate([[0], np.cumsum(happened[order])]) / max(int(happened.sum()), 1)
    rows = np.arange(len(found)) / len(happened)
    chart = Chart("Gains", Axis("rows, highest score first", 0, 1, SHARE), Axis("positives among them", 0, 1, SHARE))
    chart.guide((0, 0), (1, 1))
    best = float(happened.mean())
    chart.line([(0, 0), (best, 1), (1, 1)], 2, name="perfect", dashed=True)
    chart.line(thinned(list(zip(rows.tolist(), found.tolist(), strict=True))), 0, name="this model")
    tenth = float(np.interp(0.1, rows, found))
    chart.mark(0.1, tenth, f"lift {tenth / 0.1:.2f} in the first tenth")
    return chart.svg()


def reliability(sides: Mapping[str, Reliability]) -> str:
    """Draw how often it was so over what the model said: the diagonal keeps its word, big dots are many rows."""
    chart = Chart("Reliability", Axis("probability said", 0, 1), Axis("share seen", 0, 1))
    chart.guide((0, 0), (1, 1))
    for color, (name, side) in enumerate(sides.items()):
        points = list(zip(side.said, side.seen, strict=True))
        chart.line(points, color, name=f"{short(name)}: ECE {side.ece:.3f}")
        for point, count in zip(points, side.counts, strict=True):
            chart.dots([point], color, radius=1.5 + 5 * math.sqrt(count / sum(side.counts)))
    return chart.svg()


def scores(sides: Mapping[str, Array], label: str) -> str:
    """Draw histograms of scores by true class, each to a total of 100 %."""
    import numpy as np

    edges = np.linspace(0, 1, _BINS + 1)
    shares = {name: np.histogram(side, edges)[0] / max(len(side), 1) for name, side in sides.items()}
    top = max(float(side.max()) for side in shares.values()) or 1.0
    chart = Chart("Scores by true class", Axis(label, 0, 1), Axis("share of the class", 0, top))
    for color, (name, side) in enumerate(shares.items()):
        chart.bars(edges.tolist(), side.tolist(), color, name=short(name), opacity=0.5)
    return chart.svg()


def histogram(
    title: str, label: str, values: Sequence[float] | Array, *, low: float, high: float, note: str = ""
) -> str:
    """Draw how values are spread."""
    import numpy as np

    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    chart = Chart(title, Axis(label, low, high), Axis("count", 0, float(counts.max()) or 1.0), note=note)
    chart.bars(edges.tolist(), counts.tolist())
    return chart.svg()
