"""The explanation of one answer as a page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.evaluation.tables import table
from mlops_provider.runtime.explanation.single import REPLACED
from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from mlops_provider.runtime.explanation.single import Contribution, SingleExplanation

_WIDTH, _HEIGHT = 220, 14
_SHOWN = 20


def single_page(found: SingleExplanation) -> str:
    """Write the self-contained page."""
    return page(f"Why {found.request_id}, row {found.row}, was answered {found.answer}", *single_parts(found))


def single_parts(found: SingleExplanation) -> tuple[str, ...]:
    """Give the parts of the page below its heading."""
    said = (
        f"Version {found.version} of {found.service} answered <b>{escape(str(found.answer))}</b> at {found.at[:19]} UTC"
    )
    sure = f", with probability {found.probability:.3f}" if found.probability is not None else ""
    notes = "".join(f"<p class=warned>{escape(note)}</p>" for note in found.notes)
    largest = max((abs(part.contribution) for part in found.contributions), default=0.0)
    rows = [_row(part, largest) for part in found.contributions]
    head = ["feature", "value", "contribution", "", "usual in the baseline (5 to 95 %)", ""]
    more = rows[_SHOWN:]
    rest = f"<details><summary>{len(more)} more features</summary>{table(head, more, numbers=[1, 2])}</details>"
    return (
        f"<p>{said}{sure}.</p>{notes}<p>{escape(sentence(found))}</p>",
        table(head, rows[:_SHOWN], numbers=[1, 2]),
        rest if more else "",
        f"<p class=dim>Method: {escape(found.method)}; unit: {escape(found.unit)}.</p>",
    )


def sentence(found: SingleExplanation) -> str:
    """Say what the numbers mean."""
    if found.method == REPLACED:
        return (
            f"The model says {found.total:.4g} for {found.output} here and {found.base:.4g} on average over baseline. "
            "A contribution is what the answer loses when the value is replaced by values of the baseline, one feature "
            "at a time: contributions do not add up where features act together."
        )
    return (
        f"On average over the baseline the model says {found.base:.4g} ({found.unit}) for {found.output}, here "
        f"{found.total:.4g}: the contributions of all features make the difference."
    )


def shown(value: object) -> str:
    """Give a value as people read it."""
    return "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _row(part: Contribution, largest: float) -> list[str]:
    odd = f"<span class=warned>{escape(part.odd)}</span>" if part.odd else ""
    return [
        escape(part.feature),
        escape(shown(part.value)),
        f"{part.contribution:+.4g}",
        _bar(part.contribution, largest),
        escape(part.usual),
        odd,
    ]


def _bar(value: float, largest: float) -> str:
    """Draw a bar from the middle: to the right where it raises what is explained."""
    middle = _WIDTH / 2
    length = abs(value) / largest * (middle - 2) if largest else 0.0
    start, colour = (middle, "var(--c0)") if value >= 0 else (middle - length, "var(--c1)")
    return (
        f"<svg width={_WIDTH} height={_HEIGHT} role=img aria-label='{value:+.4g}'>"
        f"<rect x={start:.1f} y=1 width={length:.1f} height={_HEIGHT - 2} fill='{colour}'/>"
        f"<line class=grid x1={middle} x2={middle} y1=0 y2={_HEIGHT} stroke=currentColor /></svg>"
    )
