"""What the checks of a window have found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.verdicts import Verdict

if TYPE_CHECKING:
    from mlops_provider.verdicts import RuleResult


@dataclass(slots=True)
class Findings:
    """What the checks have found so far; `vacuous` says why nothing was judged.

    `thresholds` are those of single columns and of PREDICTION; `chances` the probabilities of scores as large where
    nothing has changed, of the scores beyond their thresholds; `by_chance` names the features judged to be so by
    chance; `weights`, where features are weighted, add up to 1.
    `sections` are further parts of the page, HTML with their headings; `more` is their JSON, as top keys of the report.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    rules: list[RuleResult] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    threshold: float = 0.0
    thresholds: dict[str, float] = field(default_factory=dict)
    chances: dict[str, float] = field(default_factory=dict)
    by_chance: set[str] = field(default_factory=set)
    weights: dict[str, float] = field(default_factory=dict)
    bad_columns: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    vacuous: str = ""
    sections: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Conclude from the rules."""
        return Verdict(status="vacuous") if self.vacuous else Verdict.of(self.rules)

    def summary(self) -> str:
        """Give verdict and metrics in Markdown."""
        words = f"{self.vacuous[:1].upper()}{self.vacuous[1:]}.\n\n" if self.vacuous else ""
        lines = "".join(f"| {name} | {value:.4g} |\n" for name, value in self.metrics.items())
        return f"{words}{self.verdict.to_markdown()}\n| metric | value |\n|---|---|\n{lines}"
