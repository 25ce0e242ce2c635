"""What a search for slices gives: the slices, and what was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the rows that is worse than the rest.

    `conditions` are readable texts that all hold. `loss` and `rest_loss` are mean losses; `at_least` is the lower end
    of the 95 % interval of their difference, by which slices are ranked; `p_value` is that of the test against the
    rest, one-sided. `metrics` are the task's, on the slice alone; `worst_rows` its rows with the largest losses.
    """

    conditions: tuple[str, ...]
    rows: int
    share: float
    loss: float
    rest_loss: float
    at_least: float
    p_value: float
    metrics: dict[str, float] = field(default_factory=dict)
    worst_rows: tuple[dict[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """The conditions in one line."""
        return " and ".join(self.conditions)

    def to_dict(self, *, rows: bool = True) -> dict[str, Any]:
        """Give the JSON form, with or without the sample rows."""
        found = {"text": self.text, **asdict(self), "conditions": list(self.conditions)}
        return {**found, "worst_rows": list(self.worst_rows)} if rows else _without(found, "worst_rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSearch:
    """Slices, the worst first, and what was searched.

    `units` is what was counted: rows, or queries for a ranking. `tested` is how many slices the false-discovery
    control reckons with; `searched_rows` how many rows slices of two and more conditions were searched on; `skipped`
    says of columns that could not be cut why.
    """

    slices: tuple[Slice, ...] = ()
    units: str = "rows"
    rows: int = 0
    searched_rows: int = 0
    columns: int = 0
    tested: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Slice]:
        """Go through the slices, the worst first."""
        return iter(self.slices)

    def __len__(self) -> int:
        return len(self.slices)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "slices": [found.to_dict() for found in self.slices]}

    def to_markdown(self) -> str:
        """Give the slices as a list."""
        if not self.rows:
            return ""
        if not self.slices:
            return "\nNo slice is surely worse than the rest.\n"
        lines = "".join(
            f"- `{one.text.replace('`', ' ')}`: {one.rows:,} {self.units} ({one.share:.1%}), "
            f"loss {one.loss:.4g} against {one.rest_loss:.4g}\n"
            for one in self.slices
        )
        return f"\nWorst slices:\n\n{lines}"


def _without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}
