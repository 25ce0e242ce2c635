"""By how much chance the scores of a window are: for each column that is beyond its threshold, one probability.

Distributions are kept in the store by the baseline's digest, the method and the size: a check makes those that it
needs for the first time, and only of columns whose score is beyond the threshold, for the others cannot have drifted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlops_provider.runtime.columns.calibration import Chance, grid
from mlops_provider.runtime.columns.scores import METHODS_OF, Method
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.comparison import Comparison
    from mlops_provider.store.store import Store


class Chances:
    """The distributions of the columns of a baseline, from the store or made."""

    def __init__(self, store: Store | None, workflow: str) -> None:
        self.store = store
        self.workflow = workflow
        self.made: dict[str, Chance] = {}

    def of(self, baseline: ColumnProfile, rows: int, method: Method) -> Chance:
        """Give the distribution of a column's score at the size of a window."""
        key = f"{self.workflow}/monitor/chance/{baseline.digest[:24]}-{method}-{grid(rows)}.json"
        if key not in self.made:
            self.made[key] = self._read(key) or self._make(key, baseline, rows, method)
        return self.made[key]

    def _read(self, key: str) -> Chance | None:
        if self.store is None:
            return None
        try:
            return Chance.from_list(json.loads(self.store.files.read(key)))
        except (FileNotFoundError, ValueError):
            return None

    def _make(self, key: str, baseline: ColumnProfile, rows: int, method: Method) -> Chance:
        chance = Chance.of(baseline, grid(rows), method)
        if self.store is not None:
            self.store.files.create(key, json_bytes(chance.to_list()))  # equal, whoever is first
        return chance


def chances_of(
    found: Comparison,
    baseline: Mapping[str, ColumnProfile],
    window: Mapping[str, ColumnProfile],
    chances: Chances,
) -> dict[str, float]:
    """Give the probabilities of the scores beyond their thresholds; none of a score that profiles do not give."""
    given = {}
    for score, name in found.drifted():
        method = found.methods[name]
        if name in baseline and name in window and method in METHODS_OF[baseline[name].kind]:
            given[name] = chances.of(baseline[name], window[name].rows, method).p_value(score)
    return given
