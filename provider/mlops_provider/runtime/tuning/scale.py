"""Where values stand on the axes of a search's page: numbers by size or magnitude, other values side by side."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGNITUDES = 50.0
"""Positive values that differ by more than this factor are shown by magnitude."""
_MOST_MARKS, _FEW = 8, 5


class Scale:
    """Where numbers stand between their least and their most: 0 to 1."""

    def __init__(self, values: Sequence[float]) -> None:
        self.few = sorted(set(values)) if len(set(values)) <= _FEW else []
        self.log = min(values) > 0 and max(values) / min(values) > _MAGNITUDES
        self.low, self.high = (self._at(min(values)), self._at(max(values)))

    def _at(self, value: float) -> float:
        return math.log(value) if self.log else float(value)

    def share(self, value: float) -> float:
        """Give the place of a value."""
        return (self._at(value) - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def marks(self) -> list[tuple[float, str]]:
        """Give values along the scale and how they are written."""
        if self.few:
            return [(value, f"{value:.4g}") for value in self.few]
        steps = [self.low + (self.high - self.low) * i / 4 for i in range(5)]
        return [(self._back(step), f"{self._back(step):.4g}") for step in steps]

    def _back(self, place: float) -> float:
        return math.exp(place) if self.log else place


class Choices:
    """Where values that are no numbers stand: evenly, in the order of their text."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.texts = sorted({text_of(value) for value in values})

    def share(self, value: Any) -> float:
        """Give the place of a value."""
        return self.texts.index(text_of(value)) / (len(self.texts) - 1) if len(self.texts) > 1 else 0.5

    def marks(self) -> list[tuple[Any, str]]:
        """Give the values and how they are written."""
        step = max(1, math.ceil(len(self.texts) / _MOST_MARKS))
        return [(json.loads(text), text.strip('"')[:18]) for text in self.texts[::step]]


def axis_of(values: Sequence[Any]) -> Scale | Choices:
    """Give the axis on which some values stand."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return Scale(values) if numbers else Choices(values)


def text_of(value: Any) -> str:
    """Give the text of a value, as in JSON."""
    return json.dumps(value, sort_keys=True)
