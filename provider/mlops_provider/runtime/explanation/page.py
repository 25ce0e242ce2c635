"""The report of an explanation: numbers as JSON, words as Markdown, and a self-contained page with plots."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.explanation.error_section import error_section
from mlops_provider.runtime.explanation.fairness import MINIMUM_ROWS
from mlops_provider.runtime.explanation.plots import Bar, bars, curve, legend, swarm
from mlops_provider.runtime.report_page import markdown, page
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.explanation.fairness import Fairness, Group
    from mlops_provider.runtime.explanation.findings import Findings
    from mlops_provider.runtime.explanation.importance import Importance
    from mlops_provider.verdicts import Verdict

CAVEAT = (
    "Importance is not cause: the numbers say what this model uses on these rows, not what would happen if a value "
    "were changed in the world. Columns that go together stand in for one another, so that each alone can look "
    "unimportant. Equal rates between groups do not prove that a model is fair, nor unequal ones why they differ."
)
_ROUNDING = 1e-12
_SHOWN_BARS = 20
_SHOWN_GROUPS = 30
_STYLE = "<style>.small{opacity:.6}.below{margin-top:1.2rem}</style>"


def summary(findings: Findings, verdict: Verdict) -> str:
    """Say in Markdown what the model looks at, whom it treats how, and how the gates ended."""
    sampled = "" if findings.rows == findings.total else f", a sample of {findings.total:,}"
    lines = [f"On {findings.rows:,} rows that the model has not seen{sampled}.", ""]
    lines += [f"- {line}" for line in (*_looks(findings), *_treats(findings), *_errs(findings))]
    judged = verdict.to_markdown() if verdict.rules else "**vacuous**: there is no gate, so nothing was judged.\n"
    return "\n".join([*lines, "", CAVEAT, "", judged])


def write_report(
    folder: Path,
    context: RunContext,
    findings: Findings,
    words: str,
    verdict: Verdict,
    metrics: dict[str, float],
) -> None:
    """Write report.json, report.md and report.html."""
    title = f"{context.workflow}: {context.phase}"
    content = {"title": title, "metrics": metrics, "verdict": verdict.to_dict(), **findings.to_dict()}
    (folder / "report.json").write_bytes(json_bytes(content))
    (folder / "report.md").write_text(f"# {title}\n\n{words}")
    run = f"<p class=dim>Run <code>{escape(context.run_id)}</code></p>"
    errors = error_section(findings.errors, findings.signature) if findings.errors else ()
    parts = (*_importance(findings), *_fairness(findings), *errors, *_shap(findings), *_dependence(findings))
    (folder / "report.html").write_text(page(title, _STYLE, run, markdown(words), *parts))


def _looks(findings: Findings) -> Iterator[str]:
    found = findings.importances
    if found is not None:
        useful = [one for one in found.columns if not one.noise]
        score = f"{found.scoring}, here {number(found.score)}"
        if not useful:
            yield f"**It looks at** no column in particular: {score}, loses no more than noise without any of them."
        else:
            verb = "rises" if found.lower_is_better else "falls"
            shown = ", ".join(f"`{one.columns[0]}` ({_loss(one)})" for one in useful[:3])
            rest = len(found.columns) - len(useful)
            noise = f" {rest} of {len(found.columns)} columns cost no more than noise." if rest else ""
            yield f"**It looks at** {shown}: so much {score}, {verb} when the column is shuffled.{noise}"
        for one in found.together[:1]:
            more = f" and {len(one.columns) - 4} more" if len(one.columns) > 4 else ""  # noqa: PLR2004
            names = ", ".join(f"`{name}`" for name in one.columns[:4])
            yield f"**Columns that go together:** {names}{more}: shuffled together, {_loss(one)}."
    elif findings.shap is not None:
        shown = ", ".join(f"`{name}` ({value:.4g})" for name, value in findings.shap.ranking()[:3])
        yield f"**It looks at** {shown}: so much the column moves the {findings.shap.unit}, on average (SHAP)."


def _treats(findings: Findings) -> Iterator[str]:
    for one in findings.fairness:
        column = f"**Whom it treats how, by `{one.column}`:**"
        counts = {group.name: group.rows for group in one.groups}
        if not one.gaps:
            yield f"{column} nothing can be compared; {next(iter(one.undefined.values()))}."
            continue
        gap = next(iter(one.gaps.values()))
        who = " against ".join(
            f"{value:.3g} of {_plain(name)} ({counts[name]:,} rows)"
            for name, value in ((gap.most, gap.most_rate), (gap.least, gap.least_rate))
        )
        favorable = f" of '{findings.favorable_class()}'" if gap.rate == "selection_rate" else ""
        small = sum(not group.compared for group in one.groups)
        left = f" Left out are {small} of {len(one.groups)} groups, below {MINIMUM_ROWS} rows." if small else ""
        yield (
            f"{column} {gap.rate.replace('_', ' ')}{favorable} {who}; {gap.metric.replace('_', ' ')} {gap.value:.3g} "
            f"({gap.low:.3g} to {gap.high:.3g}).{left}"
        )


def _errs(findings: Findings) -> Iterator[str]:
    if findings.errors is not None:
        worst = next(iter(findings.errors.slices), None)
        if worst is None:
            yield "**Where it errs:** no part of the rows is surely worse than the rest."
        else:
            yield (
                f"**Where it errs:** where {_plain(worst.text)} ({worst.rows:,} {findings.errors.slices.units}) the "
                f"mean loss is {number(worst.loss)}, elsewhere {number(worst.rest_loss)}."
            )


def number(value: float) -> str:
    """Write a number shortly; what is only rounding is 0."""
    return f"{value:.3g}" if abs(value) > _ROUNDING else "0"


def _loss(one: Importance) -> str:
    return f"{number(one.mean)} ± {number(one.spread)}"


def _plain(name: str) -> str:
    return "'" + name.replace("|", "/").replace("`", "'") + "'"


def _importance(findings: Findings) -> Iterator[str]:
    found = findings.importances
    if found is None:
        return
    shown = found.columns[:_SHOWN_BARS]
    yield (
        f"<h2>What it looks at: permutation importance</h2><p>How much worse <b>{escape(found.scoring)}</b> gets when "
        "the values of a column are shuffled among the rows, with one standard deviation over the repeats. Faint "
        "ones are no more than noise; below zero is noise too.</p>"
    )
    yield bars(
        [
            Bar(one.columns[0], one.mean, one.mean - one.spread, one.mean + one.spread, number(one.mean), one.noise)
            for one in shown
        ],
        what="permutation importance",
    )
    if len(found.columns) > len(shown):
        yield f"<p class=dim>{len(found.columns) - len(shown)} less important columns are in report.json.</p>"
    if found.together:
        rows = "".join(f"<tr><td>{escape(', '.join(one.columns))}<td class=n>{_loss(one)}" for one in found.together)
        yield (
            "<h3>Columns that go together</h3><p>Their rank correlation is above 0.8, so that one stands in for the "
            f"other; shuffled together they cost:</p><table><tr><th>columns<th class=n>loss{rows}</table>"
        )


def _shap(findings: Findings) -> Iterator[str]:
    found = findings.shap
    if found is None:
        return
    top = [name for name, _ in found.ranking()[:10]]
    yield (
        f"<h2>What moves single answers: SHAP values</h2><p>Each dot is one of {len(found.values):,} rows; its place "
        f"says how much the column moves the {escape(found.unit)} of the row. Blue is a low value of the column, red a "
        "high one, grey no number.</p>"
    )
    for index, output in enumerate(found.outputs[:3]):
        if len(found.outputs) > 1:
            yield f"<h3>{escape(output)}</h3>"
        yield swarm(found, top, index)
    if len(found.outputs) > 3:  # noqa: PLR2004 (as above)
        yield f"<p class=dim>{len(found.outputs) - 3} more outputs are in report.json.</p>"


def _dependence(findings: Findings) -> Iterator[str]:
    found = findings.dependences
    if not found:
        return
    numbers = [number for one in found for values in one.outputs.values() for number in values]
    low, high = min(numbers), max(numbers)
    yield (
        "<h2>How it answers: partial dependence</h2><p>The mean answer when the column is set to a value in every row; "
        "all plots have one scale.</p>"
    )
    if len(found[0].outputs) > 1:
        yield legend(list(found[0].outputs))
    figures = "".join(
        f"<figure><figcaption>{escape(one.feature)}</figcaption>{curve(one, low, high)}</figure>" for one in found
    )
    yield f"<div class=plots>{figures}</div>"


def _fairness(findings: Findings) -> Iterator[str]:
    for one in findings.fairness:
        yield f"<h2>Whom it treats how: {escape(one.column)}</h2>"
        yield _groups(one)
        yield _gaps(one, findings.gate_names[one.column])


def _groups(one: Fairness) -> str:
    rates = list(dict.fromkeys(rate for group in one.groups for rate in group.rates))
    head = "".join(f"<th class=n>{rate.replace('_', ' ')}" for rate in rates)
    shown = sorted(one.groups, key=lambda group: -group.rows)[:_SHOWN_GROUPS]
    rows = "".join(_group(group, rates) for group in one.groups if group in shown)
    notes = []
    if any(not group.compared for group in one.groups):
        notes.append(f"Groups below {MINIMUM_ROWS} rows (faint) say too little and are not compared.")
    if len(one.groups) > len(shown):
        notes.append(f"{len(one.groups) - len(shown)} smaller groups are in report.json.")
    note = f"<p class=dim>{' '.join(notes)}</p>" if notes else ""
    return f"<table><tr><th>group<th class=n>rows{head}{rows}</table>{note}"


def _group(group: Group, rates: list[str]) -> str:
    cells = ""
    for rate in rates:
        if rate in group.rates:
            low, high = group.intervals[rate]
            cells += f"<td class=n>{group.rates[rate]:.3g} <span class=dim>({low:.3g} to {high:.3g})</span>"
        else:
            cells += "<td class='n dim'>not defined"
    faint = "" if group.compared else " class=small"
    return f"<tr{faint}><td>{escape(group.name)}<td class=n>{group.rows:,}{cells}"


def _gaps(one: Fairness, gate_name: str) -> str:
    rows = "".join(
        f"<tr><td>{metric.replace('_', ' ')}<td class=n><b>{gap.value:.3g}</b><td class=n>"
        f"{gap.low:.3g} to {gap.high:.3g}<td>{escape(gap.said())}"
        for metric, gap in one.gaps.items()
    )
    rows += "".join(
        f"<tr class=small><td>{metric.replace('_', ' ')}<td class=n>not defined<td><td>{escape(why)}"
        for metric, why in one.undefined.items()
    )
    return (
        "<table class=below><tr><th>metric<th class=n>value<th class=n>95 % interval<th>the groups that "
        f"are furthest apart{rows}</table><p class=dim>In gates: <code>fairness.{escape(gate_name)}.&lt;metric&gt;"
        "</code>.</p>"
    )
