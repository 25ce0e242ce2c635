"""A search as a self-contained page: scores over trials, parameters against scores, and every trial in a table."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.report_page import page
from mlops_provider.runtime.tuning.scale import Scale, axis_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.runtime.tuning.trial import Goal, Trial

_WIDTH, _HEIGHT = 860, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 16, 46
_MOST_ROWS, _MOST_LINES = 200, 400
_LONGEST = 120


def search_page(title: str, goal: Goal, best: Trial, trials: Sequence[Trial]) -> str:
    """Give the page."""
    chosen = ", ".join(f"<code>{escape(name)}</code> {_cell(value)}" for name, value in best.parameters.items())
    direction = "lowest" if goal.lower else "highest"
    intro = (
        f"<p>Trial {best.number} has the {direction} {escape(goal.metric)}, <b>{best.score:.6g}</b>: {chosen}.</p>"
        if best.score is not None
        else ""
    )
    return page(title, intro, _progress(goal, best, trials), _parallel(goal, best, trials), _table(goal, best, trials))


def _progress(goal: Goal, best: Trial, trials: Sequence[Trial]) -> str:
    """Draw the score of each trial in order, and the best so far as steps."""
    judged = [trial for trial in trials if trial.score is not None and trial.state != "failed"]
    scale = Scale([trial.score for trial in judged if trial.score is not None])
    last = max(trial.number for trial in trials) or 1

    def x(number: int) -> float:
        return _LEFT + number / last * (_WIDTH - _LEFT - _RIGHT)

    def y(score: float) -> float:
        return _TOP + (1 - scale.share(score)) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_grid_line(y(value), text) for value, text in scale.marks()]
    steps = [trial for trial in judged if trial.state == "finished" and trial.rung == best.rung]
    parts.append(_best_so_far(goal, [(x(trial.number), y(trial.score or 0.0), trial) for trial in steps], x(last)))
    parts += [
        _mark(goal, trial, best, x(trial.number), None if trial.score is None else y(trial.score)) for trial in trials
    ]
    parts.append(f"<text x={_LEFT} y={_HEIGHT - 8}>trial 0</text>")
    parts.append(f"<text x={_WIDTH - _RIGHT} y={_HEIGHT - 8} text-anchor=end>trial {last}</text>")
    words = ["dots: trials; line: the best so far; ring: the one that was taken"]
    if any(trial.state == "pruned" for trial in trials):
        words.append("hollow: given up, the mean of the folds it had")
    if best.rung:
        words.append("hollow: on fewer rows")
    if any(trial.state == "failed" for trial in trials):
        words.append("crosses: failed")
    return f"<h2>{escape(goal.metric)} by trial</h2>{_svg(_HEIGHT, parts)}<p class=dim>{'; '.join(words)}.</p>"


def _best_so_far(goal: Goal, points: Sequence[tuple[float, float, Trial]], end: float) -> str:
    path, best = "", -math.inf
    for x, y, trial in points:
        goodness = goal.goodness(trial.score or 0.0)
        if goodness > best:
            path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
            best = goodness
    return f"<path d='{path}H{end:.1f}' fill=none stroke='#e07b00' stroke-width=2 />"


def _mark(goal: Goal, trial: Trial, best: Trial, x: float, y: float | None) -> str:
    about = f"<title>trial {trial.number}: {escape(_said(goal, trial))}</title>"
    if trial.state == "failed" or y is None:
        cross = f"M{x - 4:.1f} {_HEIGHT - _BOTTOM + 8}l8 8m0 -8l-8 8"
        return f"<path d='{cross}' stroke='#c93c37' stroke-width=1.5>{about}</path>"
    hollow = trial.state == "pruned" or trial.rung != best.rung
    fill = "fill=none stroke='#3b78ab'" if hollow else "fill='#3b78ab'"
    ring = " stroke='#e07b00' stroke-width=2" if trial is best else ""
    return f"<circle cx={x:.1f} cy={y:.1f} r={6 if trial is best else 4} {fill}{ring}>{about}</circle>"


def _parallel(goal: Goal, best: Trial, trials: Sequence[Trial]) -> str:
    """Draw each trial as a line through its parameters to its score, the better the warmer."""
    judged = sorted((t for t in trials if t.state == "finished" and t.score is not None), key=goal.key, reverse=True)
    judged = judged[-_MOST_LINES:]
    names = sorted(best.parameters)
    values: dict[str, list[Any]] = {name: [trial.parameters[name] for trial in judged] for name in names}
    values[goal.metric] = [trial.score for trial in judged]
    axes = {name: axis_of(found) for name, found in values.items()}
    step = (_WIDTH - _LEFT - 90) / max(1, len(axes) - 1)
    top, bottom = _TOP + 22, _HEIGHT + 20 - _BOTTOM

    def y(share: float) -> float:
        return top + (1 - share) * (bottom - top)

    parts = []
    for place, trial in enumerate(judged):
        warm = place / max(1, len(judged) - 1)
        points = [
            f"{_LEFT + i * step:.1f},{y(axes[name].share(found[place])):.1f}"
            for i, (name, found) in enumerate(values.items())
        ]
        look = f"stroke='hsl({215 - 190 * warm:.0f} 75% 50%)' stroke-opacity={0.25 + 0.5 * warm:.2f}"
        width = 3.5 if trial is best else 1.3
        parts.append(
            f"<polyline points='{' '.join(points)}' fill=none {look} stroke-width={width}>"
            f"<title>trial {trial.number}: {escape(_said(goal, trial))}</title></polyline>"
        )
    for i, (name, axis) in enumerate(axes.items()):
        at = _LEFT + i * step
        parts.append(f"<line x1={at:.1f} x2={at:.1f} y1={top} y2={bottom} stroke='currentColor' stroke-opacity=.5 />")
        parts.append(f"<text x={at:.1f} y={_TOP} text-anchor=middle font-weight=bold>{escape(name[:24])}</text>")
        parts += [
            f"<text x={at + 6:.1f} y={y(axis.share(value)) + 4:.1f} class=mark>{escape(text)}</text>"
            for value, text in axis.marks()
        ]
    style = "<style>.mark{paint-order:stroke;stroke:Canvas;stroke-width:4px}</style>"
    note = "Each line is a trial; warm lines are good ones, the thick one was taken."
    return f"<h2>Parameters and {escape(goal.metric)}</h2>{style}{_svg(_HEIGHT + 20, parts)}<p class=dim>{note}</p>"


def _table(goal: Goal, best: Trial, trials: Sequence[Trial]) -> str:
    names = sorted(best.parameters)
    ordered = sorted(trials, key=lambda trial: (-trial.rung, trial.state != "finished", goal.key(trial)))
    rungs = any(trial.rows is not None for trial in trials)
    head = ["trial", *names, *(["rows"] if rungs else []), goal.metric, "folds", ""]
    rows = []
    for trial in ordered[:_MOST_ROWS]:
        state = {"finished": "", "pruned": "given up"}.get(trial.state, f"failed: {trial.error[:_LONGEST]}")
        cells = [
            str(trial.number),
            *(_cell(trial.parameters[name]) for name in names),
            *([f"{trial.rows or 0:,}"] if rungs else []),
            "" if trial.score is None or trial.state == "failed" else f"{trial.score:.6g}",
            f"{min(trial.folds):.4g} to {max(trial.folds):.4g}" if trial.folds else "",
            escape(state),
        ]
        mark = " style='font-weight:bold'" if trial is best else ""
        rows.append(f"<tr{mark}>" + "".join(f"<td>{cell}" for cell in cells))
    more = f"<p class=dim>{len(trials) - _MOST_ROWS} more are in report.json.</p>" if len(trials) > _MOST_ROWS else ""
    heads = "".join(f"<th>{escape(name)}" for name in head)
    style = "<style>td:last-child{overflow-wrap:anywhere}</style>"
    return f"<h2>Trials</h2>{style}<table><tr>{heads}{''.join(rows)}</table>{more}"


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else escape(value if isinstance(value, str) else text_of(value))


def _said(goal: Goal, trial: Trial) -> str:
    what = f"failed: {trial.error}" if trial.state == "failed" else f"{goal.metric} {trial.score:.6g}, {trial.state}"
    return f"{what} ({', '.join(f'{name} {text_of(value)}' for name, value in trial.parameters.items())})"


def _grid_line(y: float, text: str) -> str:
    return (
        f"<line x1={_LEFT} x2={_WIDTH - _RIGHT} y1={y:.1f} y2={y:.1f} stroke='#8884' />"
        f"<text x={_LEFT - 8} y={y + 4:.1f} text-anchor=end>{text}</text>"
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    return f"<svg viewBox='0 0 {_WIDTH} {height}' width={_WIDTH} role=img>{''.join(parts)}</svg>"
