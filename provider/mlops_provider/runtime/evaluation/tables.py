"""Tables of the evaluation's page: the verdict, the metrics, the slices, rows and pairs of classes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.plots.chart import short
from mlops_provider.runtime.plots.forest import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops_provider.runtime.evaluation.evaluation import Evaluation
    from mlops_provider.runtime.gains import Gain
    from mlops_provider.runtime.slices import Slice
    from mlops_provider.verdicts import Verdict

_SLICE_METRICS = 4
_CELL = 40


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """Give a table of cells that are HTML already; columns in `numbers` are right-aligned."""

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in numbers else ''}>{cell}</{tag}>" for place, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table></div>"


def number(value: float | None) -> str:
    """Give a number in four digits, nothing for None."""
    return "" if value is None else f"{value:,.0f}" if value == int(value) and abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004


def verdict(found: Verdict, word: str = "") -> str:
    """Give the verdict's word, or another for it, and a table of its rules."""
    word = f"<p class='verdict {escape(found.status)}'>{escape(word or found.status)}</p>"
    if not found.rules:
        return f"{word}<p>There is no gate: nothing was proven. Add <code>gates</code> to this phase.</p>"
    columns = {"value": "value", "threshold": "threshold", "baseline": "champion", "slice": "slice", "n": "rows"}
    shown = [name for name in columns if any(getattr(rule, name) not in {None, ""} for rule in found.rules)]
    rows = [
        [
            f"<code>{escape(rule.rule)}</code>",
            f"<span class={escape(rule.result)}>{escape(rule.result.replace('_', ' '))}</span>",
            *(_of_rule(getattr(rule, name)) for name in shown),
            escape(rule.why),
        ]
        for rule in found.rules
    ]
    numbers = [place for place, name in enumerate(shown, start=2) if name != "slice"]
    return word + table(["rule", "result", *(columns[name] for name in shown), "why"], rows, numbers=numbers)


def _of_rule(value: float | str | None) -> str:
    if value is None:
        return ""
    return escape(value) if isinstance(value, str) else number(value)


def metrics(found: Evaluation) -> str:
    """Give the metrics with intervals, the champion, the gain, and the worst slice where gates asked for it."""
    measured = found.measured
    champion, intervals = measured.champion or {}, measured.intervals
    head = ["metric", "this model", "95 % interval"]
    head += ["champion", "gain"] if champion else []
    head += [""] if intervals or champion else []
    head += ["worst slice"] if found.worst else []
    rows = []
    for name, value in measured.metrics.items():
        between = intervals.get(name)
        row = [escape(name), number(value), _between(between)]
        if champion:
            row += [number(champion.get(name)), _gain(measured.gain.get(name))]
        if intervals or champion:
            row.append(interval(value, between, champion.get(name)) if between or name in champion else "")
        if found.worst:
            worst = found.worst.get(name)
            row.append(f"{number(worst.value)} where {escape(worst.slice)} ({worst.rows:,})" if worst else "")
        rows.append(row)
    keys = "<span class=key><i style='background:var(--c0)'></i>this model, with its interval</span>"
    keys += "<span class=key><i style='background:var(--c1)'></i>champion</span>" if champion else ""
    legend = f"<div class=keys>{keys}</div>" if intervals or champion else ""
    listing = table(head, rows, numbers=[1, 2, 3, 4] if champion else [1, 2])
    return f"{_what_was_measured(found)}{listing}{legend}{_missing(found)}"


def _what_was_measured(found: Evaluation) -> str:
    measured = found.measured
    out = f"; {measured.left_out:,} {measured.unit} say nothing about an order" if measured.left_out else ""
    note = f"; {escape(found.champion_note)}" if found.champion_note else ""
    return f"<p>On {measured.n:,} {measured.unit} that the model has not seen{out}{note}.</p>"


def _missing(found: Evaluation) -> str:
    """Say what could not be measured, and of which rows the model cannot know the answer."""
    measured, new = found.measured, found.answers.new_classes
    lines = [f"{name}: {why}" for name, why in measured.undefined.items()]
    lines += [f"{name} of the champion: {why}" for name, why in measured.champion_undefined.items()]
    some = ", ".join(f"{name} ({count:,})" for name, count in list(new.items())[:5])
    words = f"<p class=warn>Classes that the model does not know: {escape(some)}.</p>" if new else ""
    return f"{words}<p>Not measured:</p><ul>{''.join(f'<li>{escape(x)}</li>' for x in lines)}</ul>" if lines else words


def _between(between: tuple[float, float] | None) -> str:
    return f"{number(between[0])} to {number(between[1])}" if between else ""


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return ""
    text = f"{gain.value:+.4g}"
    if gain.low is not None and gain.high is not None:
        text += f" ({gain.low:+.4g} to {gain.high:+.4g})"
    return text if gain.p_value is None else f"{text}, p {p_text(gain.p_value)}"


def p_text(value: float) -> str:
    """Give a p-value as people write it, as HTML."""
    return "&lt; 0.0001" if value < 0.0001 else f"= {value:.2g}"  # noqa: PLR2004 (four digits say enough)


def slices(found: Evaluation) -> str:
    """Give the worst slices: what was searched, a table of all, and the sample rows of each."""
    search = found.slices
    if not search.rows:
        return ""
    what = (
        f"{search.columns} columns, {search.rows:,} {search.units}; {search.tested:,} possible slices are reckoned "
        "with, so that at most 5 % of such findings are chance (Benjamini and Hochberg)."
    )
    if search.searched_rows < search.rows:
        what += f" Slices of two and more conditions were searched on {search.searched_rows:,} of them."
    skipped = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in search.skipped.items())
    left_out = (
        f"<details><summary>Columns that were not looked at</summary><ul>{skipped}</ul></details>" if skipped else ""
    )
    if not len(search):
        return f"<p>No slice is surely worse than the rest. Searched: {what}</p>{left_out}"
    names = [name for name in found.measured.metrics if any(name in one.metrics for one in search)][:_SLICE_METRICS]
    head = ["", "where", search.units, "loss", "loss of the rest", "p", *map(escape, names)]
    rows = [
        [
            str(place),
            f"<b>{escape(one.text)}</b>",
            f"{one.rows:,} ({one.share:.1%})",
            number(one.loss),
            number(one.rest_loss),
            p_text(one.p_value).removeprefix("= "),
            *(number(one.metrics.get(name)) for name in names),
        ]
        for place, one in enumerate(search, start=1)
    ]
    whole = ["", "all", f"{search.rows:,}", "", "", "", *(number(found.measured.metrics.get(name)) for name in names)]
    listing = table(head, [*rows, whole], numbers=range(2, 6 + len(names)))
    samples = "".join(_sample(place, one) for place, one in enumerate(search, start=1))
    return f"{listing}<p class=dim>{loss_text(found)} Searched: {what}</p>{samples}{left_out}"


def _sample(place: int, one: Slice) -> str:
    if not one.worst_rows:
        return ""
    return (
        f"<details><summary>{place}. Worst rows where {escape(one.text)}</summary>{row_table(one.worst_rows)}</details>"
    )


def loss_text(found: Evaluation) -> str:
    """Say what the loss of a row is."""
    task = found.answers.signature.task
    if task == "classification":
        with_chances = found.answers.probabilities is not None
        said = "the log loss: 0.69 for a coin's throw" if with_chances else "1 for a wrong class, 0 for the right one"
        return f"The loss of a row is {said}."
    return {
        "multilabel": "The loss of a row is the share of its labels that are wrong.",
        "ranking": "The loss of a query is one minus its ndcg.",
    }.get(task, "The loss of a row is its |error|.")


def row_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Give rows with truth, prediction, loss and values."""
    names = list(rows[0]["values"]) if rows else []
    head = ["row", "truth", "prediction", "loss", *(escape(short(name, 24)) for name in names)]
    lines = [
        [
            f"{row['row']:,}",
            cell(row["truth"]),
            cell(row["prediction"]),
            number(row["loss"]),
            *(cell(row["values"][name]) for name in names),
        ]
        for row in rows
    ]
    return table(head, lines, numbers=[0, 3])


def pair_table(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Give pairs of classes that are taken for one another."""
    lines = [
        [cell(pair["truth"]), cell(pair["prediction"]), f"{pair['rows']:,}", f"{pair['share']:.1%}"] for pair in pairs
    ]
    return table(["true", "taken for", "rows", "of the true class"], lines, numbers=[2, 3])


def cell(value: Any) -> str:
    """Give any value as escaped short text."""
    if value is None:
        return "<span class=dim>missing</span>"
    if isinstance(value, float):
        return number(value)
    return escape(short(value, _CELL))
