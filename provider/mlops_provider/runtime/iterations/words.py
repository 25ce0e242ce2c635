"""Changes and explanations in words: Markdown for people and records, HTML for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.iterations.plots import history_plot
from mlops_provider.runtime.report_page import markdown

if TYPE_CHECKING:
    from mlops_provider.runtime.iterations.changes import Changes
    from mlops_provider.runtime.iterations.explanation import Explanation
    from mlops_provider.runtime.iterations.scores import Step

_TITLES = {"champion": "champion compared with", "phases": "phases that ran"}


def changes_markdown(changes: Changes) -> str:
    """Say what changed, by kind; what is equal and what could not be compared stand below."""
    rows = [f"| {_TITLES.get(change.kind, change.kind)} | {_cell(change.says)} |" for change in changes.changes]
    table = "\n".join(["| what | how |", "|---|---|", *rows]) if rows else "Nothing changed."
    same = f"\n\nThe same: {', '.join(_TITLES.get(kind, kind) for kind in changes.same)}." if changes.same else ""
    unknown = "".join(f"\n\nNot compared: {_cell(each)}." for each in changes.unknown)
    return f"{table}{same}{unknown}\n"


def changes_html(changes: Changes) -> str:
    """Give the same as HTML."""
    return markdown(changes_markdown(changes))


def explanation_markdown(explanation: Explanation) -> str:
    """Say what is known of why a metric fell, and what to look at next."""
    parts = [since(explanation), steps_markdown(explanation.steps)]
    if explanation.proposal:
        lines = [f"{i}. {_cell(each)}" for i, each in enumerate(explanation.proposal, start=1)]
        parts.append("### What to look at next\n\n" + "\n".join(lines))
    if crossed := explanation.crossed:
        parts.append(
            "### Both models on both sets of rows\n\n"
            f"| {crossed.metric} | old rows ({crossed.rows[0]:,}) | new rows ({crossed.rows[1]:,}) |\n|---|---|---|\n"
            f"| old model | {crossed.old_old:.4f} | {crossed.old_new:.4f} |\n"
            f"| new model | {crossed.new_old:.4f} | {crossed.new_new:.4f} |\n\n"
            f"Of the fall of {crossed.fall:.4f}, {crossed.by_rows:.4f} comes with the rows and {crossed.by_model:.4f} "
            "with the model."
        )
    if explanation.suspects:
        rows = [
            f"| {'' if each.weight is None else f'{each.weight:.0%}'} | {each.side} | {_cell(each.says)} |"
            for each in explanation.suspects
        ]
        table = "\n".join(["| share of the fall | by way of | what changed |", "|---|---|---|", *rows])
        parts.append(f"### What may be the reason\n\n{table}")
    parts += _slices(explanation)
    parts += [f"Not computed: {_cell(each)}." for each in explanation.missing]
    return "\n\n".join([*parts, "### What changed", changes_markdown(explanation.changes)])


def _slices(explanation: Explanation) -> list[str]:
    """Give the worst slices of both runs and the worst rows of the later one's first."""
    found = explanation.parts
    rows = [
        f"| {run} | {_cell(part['text'])} | {part['rows']:,} | {part['loss']:.4f} | {part['rest_loss']:.4f} |"
        for run, parts in (("later", found.later), ("earlier", found.earlier))
        for part in parts
    ]
    if not rows:
        return []
    head = ["| run | worst slices | rows | mean loss | on the rest |", "|---|---|---|---|---|"]
    told = ["### Where each model errs most", "\n".join([*head, *rows])]
    worst = found.later[0]["worst_rows"] if found.later else []
    if worst:
        names = [name for name, value in worst[0].items() if not isinstance(value, dict)]
        values = worst[0].get("values")
        columns = list(values) if isinstance(values, dict) else []
        lines = [[*names, *columns], ["---"] * (len(names) + len(columns))]
        lines += [
            [*(_short(row[name]) for name in names), *(_short(row["values"][name]) for name in columns)]
            for row in worst
        ]
        told += [
            f"The worst rows where {_cell(found.later[0]['text'])}, of the later run:",
            "\n".join(f"| {' | '.join(line)} |" for line in lines),
        ]
    return told


def _short(value: object) -> str:
    return _cell(f"{value:.4g}" if isinstance(value, float) else str(value)[:40])


def explanation_html(explanation: Explanation) -> str:
    """Give the same as HTML, with the history of the metric as a plot."""
    step = explanation.step
    plot = history_plot(step.name, explanation.history) if step else ""
    return f"{plot}{markdown(explanation_markdown(explanation))}"


def steps_markdown(steps: list[Step]) -> str:
    """Give the metrics side by side, with their differences and whether that is better."""
    rows = []
    for step in steps:
        before, after = ("" if value is None else f"{value:.4f}" for value in (step.earlier, step.later))
        moved = "" if step.difference is None else f"{step.difference:+.4f}"
        rows.append(f"| {step.name} | {before} | {after} | {moved} | {judged(step)} |")
    return "\n".join(["| metric | earlier | later | difference | |", "|---|---|---|---|---|", *rows])


def judged(step: Step) -> str:
    """Say in a word or two whether a metric got better."""
    if step.better is None:
        return "equal" if step.difference == 0 else ""
    word = "better" if step.better else "worse"
    if step.sure is None:
        return word
    return word if step.sure else f"{word}, within its interval"


def since(explanation: Explanation) -> str:
    """Say which runs are compared and how good the earlier one was."""
    earlier = explanation.earlier
    how = f" ({earlier.by})" if earlier.by else ""
    return f"Compared with run `{earlier.run_id}`, whose {explanation.phase} was {earlier.status}{_cell(how)}."


def _cell(text: str) -> str:
    """Give a text that fits a cell of a Markdown table and is not read as Markdown."""
    quoted = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
    for sign in ("*", "_", "`", "[", "<"):
        quoted = quoted.replace(sign, f"\\{sign}")
    return quoted
