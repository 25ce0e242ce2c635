"""Which plots show which task."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.calibration import ErrorProfile, Reliability, by_class, top_label
from mlops_provider.runtime.evaluation.tables import number, table
from mlops_provider.runtime.plots import curves, errors
from mlops_provider.runtime.plots.confusion import confusion

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

MOST_ROWS = 100_000
"""Rows of which curves are drawn."""
_MOST_CLASSES = 30


def plots(answers: Answers, frame: pd.DataFrame) -> str:
    """Give the figures of the task as HTML; curves of more than 100,000 rows are those of as many, evenly taken."""
    import numpy as np

    rows = len(answers.truth)
    task = answers.signature.task
    some = answers
    if rows > MOST_ROWS and task != "ranking":
        places = np.linspace(0, rows - 1, MOST_ROWS).astype(np.int64)
        some, frame = answers.take(places), frame.iloc[places]
    figures = {
        "classification": _classification,
        "multilabel": _multilabel,
        "ranking": _ranking,
        "forecasting": _forecasting,
    }.get(task, _regression)(some, frame)
    if task == "classification":
        names, matrix = _counted(answers)
        figures = [_confusion(names, matrix), _class_table(names, matrix), *figures]
    note = f"<p class=dim>Curves are those of {MOST_ROWS:,} of {rows:,} rows.</p>" if some is not answers else ""
    return f"{note}<div class=plots>{''.join(figures)}</div>"


def reliabilities(answers: Answers) -> dict[str, Reliability]:
    """Give the reliability of probabilities: of the positive class; of the highest and each class; of each label."""
    signature, chances = answers.signature, answers.probabilities
    if chances is None or signature.task not in {"classification", "multilabel"}:
        return {}
    if signature.task == "multilabel":
        return {
            label: Reliability.of(answers.truth[:, i] == 1, chances[:, i]) for i, label in enumerate(signature.labels)
        }
    found = {str(name): side for name, side in by_class(answers.truth, chances, signature.classes).items()}
    if len(signature.classes) > 2:  # noqa: PLR2004 (more than two classes)
        found = {"highest probability": top_label(answers.truth, chances, signature.classes), **found}
    return found


def calibration(answers: Answers, sides: dict[str, Reliability]) -> str:
    """Give the calibration section: of probabilities, or of numbers."""
    if sides:
        lines = [
            [escape(name), *map(number, (one.ece, one.brier, one.reliability, one.resolution, one.uncertainty))]
            for name, one in sides.items()
        ]
        head = [
            "probability of",
            "ECE",
            "Brier",
            "reliability (0 is best)",
            "resolution (more is better)",
            "uncertainty",
        ]
        first = list(sides)[: curves.MOST_CLASSES if answers.signature.task == "multilabel" else 1]
        shown = {name: sides[name] for name in first}
        words = (
            "<p class=dim>Ten bins of equal width. ECE is the mean distance between probability and share; the Brier "
            "score is reliability - resolution + uncertainty, but for what differs within a bin.</p>"
        )
        figure = curves.reliability(shown)
        return f"<div class=plots>{figure}</div>{table(head, lines, numbers=range(1, 6))}{words}"
    if answers.signature.task in {"regression", "forecasting"}:
        profile = ErrorProfile.of(answers.truth, answers.predicted)
        head = ["share of the rows", *(f"{float(share):.0%}" for share in profile.quantiles)]
        line = ["|error| at most", *(number(size) for size in profile.quantiles.values())]
        return table(head, [line], numbers=range(1, 6))
    return ""


def _counted(answers: Answers) -> tuple[list[Any], Array]:
    """Count truths by predictions, on integer codes: strings of a million rows take seconds."""
    import numpy as np

    truth, predicted = answers.codes
    width = int(max(truth.max(), predicted.max(), len(answers.signature.classes) - 1)) + 1
    matrix = np.bincount(truth * width + predicted, minlength=width * width).reshape(width, width)
    names: list[Any] = list(answers.signature.classes)
    for code in range(len(names), width):
        side, values = (truth, answers.truth) if (truth == code).any() else (predicted, answers.predicted)
        names.append(f"{values[np.argmax(side == code)]} (new)")
    return names, matrix


def _confusion(names: list[Any], matrix: Array) -> str:
    import numpy as np

    shown = sorted(sorted(range(len(names)), key=lambda code: (-int(matrix[code].sum()), code))[:_MOST_CLASSES])
    part = matrix[np.ix_(shown, shown)].tolist()
    return confusion([names[code] for code in shown], part, left_out=len(names) - len(shown))


def _class_table(names: list[Any], matrix: Array) -> str:
    """Give precision and recall of each class, the worst f1 first."""
    lines = [
        _measured(str(name), int(matrix[i].sum()), int(matrix[:, i].sum()), int(matrix[i, i]))
        for i, name in enumerate(names)
    ]
    lines.sort(key=lambda line: line[0])
    return _listing("class", [line for _, line in lines[:_MOST_CLASSES]])


def _measured(name: str, rows: int, said: int, both: int) -> tuple[float, list[str]]:
    """Give the f1 of a class or label, and its line of a table."""
    f1 = 2 * both / (rows + said or 1)
    ratios = [both / said if said else None, both / rows if rows else None, f1]
    return f1, [escape(name), f"{rows:,}", f"{said:,}", *map(number, ratios)]


def _listing(what: str, lines: list[list[str]]) -> str:
    return f"<div>{table([what, 'rows', 'predicted', 'precision', 'recall', 'f1'], lines, numbers=range(1, 6))}</div>"


def _classification(answers: Answers, _: pd.DataFrame) -> list[str]:
    classes, chances, truth = answers.signature.classes, answers.probabilities, answers.truth
    if chances is None:
        return []
    if len(classes) == 2:  # noqa: PLR2004 (two classes)
        return _binary(str(classes[1]), truth == classes[1], answers.predicted == classes[1], chances[:, 1], answers)
    counts = Counter(truth.tolist())
    frequent = sorted(range(len(classes)), key=lambda i: (-counts[classes[i]], i))[: curves.MOST_CLASSES]
    sides = {
        str(classes[i]): (truth == classes[i], chances[:, i])
        for i in sorted(frequent)
        if 0 < counts[classes[i]] < len(truth)
    }
    if not sides:
        return []
    highest = chances.max(axis=1)
    right = answers.predicted == truth
    return [
        curves.roc(sides),
        curves.precision_recall(sides),
        curves.scores({"right": highest[right], "wrong": highest[~right]}, "highest probability"),
    ]


def _binary(name: str, happened: Array, said: Array, score: Array, answers: Answers) -> list[str]:
    histogram = curves.scores(
        {str(value): score[answers.truth == value] for value in answers.signature.classes}, f"probability of {name}"
    )
    positives = int(happened.sum())
    if not 0 < positives < len(happened):
        return [histogram]
    hits = int((happened & said).sum())
    recall, false = hits / positives, int((said & ~happened).sum()) / (len(happened) - positives)
    precision = hits / int(said.sum()) if said.any() else 1.0
    side = {name: (happened, score)}
    return [
        curves.roc(side, (false, recall)),
        curves.precision_recall(side, (recall, precision)),
        histogram,
        curves.gains(happened, score),
    ]


def _multilabel(answers: Answers, _: pd.DataFrame) -> list[str]:
    import numpy as np

    labels, truth, said = answers.signature.labels, answers.truth == 1, answers.predicted == 1
    chances = answers.probabilities
    lines = [
        _measured(label, int(truth[:, i].sum()), int(said[:, i].sum()), int((truth[:, i] & said[:, i]).sum()))[1]
        for i, label in enumerate(labels)
    ]
    wrong = (truth != said).sum(axis=1)
    figures = [
        _listing("label", lines),
        curves.histogram("Wrong labels in a row", "labels", wrong, low=0, high=float(len(labels))),
    ]
    if chances is not None:
        both_seen = [i for i in range(len(labels)) if 0 < truth[:, i].sum() < len(truth)][: curves.MOST_CLASSES]
        sides = {labels[i]: (truth[:, i], np.asarray(chances)[:, i]) for i in both_seen}
        figures += [curves.roc(sides), curves.precision_recall(sides)] if sides else []
    return figures


def _regression(answers: Answers, _: pd.DataFrame) -> list[str]:
    truth, predicted = answers.truth.astype(float), answers.predicted.astype(float)
    return [
        errors.predicted_against_true(truth, predicted),
        errors.errors_by_prediction(truth, predicted, ErrorProfile.of(truth, predicted)),
        errors.error_sizes(truth, predicted),
    ]


def _forecasting(answers: Answers, frame: pd.DataFrame) -> list[str]:
    name = answers.signature.timestamp
    column = frame[name]
    time = (column.dt.tz_convert(None) if column.dt.tz is not None else column).to_numpy("datetime64[s]")
    truth, predicted = answers.truth.astype(float), answers.predicted.astype(float)
    return [
        errors.series(time, truth, predicted, name),
        errors.error_over_time(time, truth, predicted, name),
        *_regression(answers, frame),
    ]


def _ranking(answers: Answers, _: pd.DataFrame) -> list[str]:
    import numpy as np

    assert answers.query is not None
    losses = answers.losses()
    queries, first, counts = np.unique(answers.query, return_index=True, return_counts=True)
    good = 1 - losses[first]
    note = f"{len(queries):,} queries; mean {good.mean():.3f}."
    return [
        curves.histogram("ndcg by query", "ndcg", good, low=0, high=1, note=note),
        curves.histogram("Rows in a query", "rows", counts, low=0, high=float(counts.max()) + 1),
    ]
