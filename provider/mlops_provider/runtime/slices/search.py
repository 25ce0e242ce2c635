"""The search for the worst slices: every condition first, then combinations of the most promising ones.

The search goes down the lattice of conditions with a beam, as Slice Finder does (Chung, Kraska, Polyzotis, Tae, Whang:
Slice Finder, ICDE 2019), and counts on integer codes, as SliceLine does (Sagadeeva, Boehm, SIGMOD 2021). What is found
is tested against the rest; false discoveries are controlled over the whole lattice, as if nothing had been pruned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.runtime.error_analysis import worst_rows
from mlops_provider.runtime.slices.cuts import Cut, cut_columns
from mlops_provider.runtime.slices.evidence import ALPHA, Evidence, discoveries
from mlops_provider.runtime.slices.found import Slice, SliceSearch
from mlops_provider.runtime.slices.settings import settings
from mlops_provider.runtime.slices.units import Units

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    import pandas as pd

    from mlops_dag_factory.spec.evaluate import SlicesSpec
    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

SEARCHED_ROWS = 50_000
"""Rows on which slices of two and more conditions are searched; what is found is measured on all rows."""
_SEARCHED_CELLS = 5_000_000
_BEAM = 64
_PER_COLUMN = 4
_CANDIDATES = 100
_MATERIAL = 1.1
_SAME_ROWS = 0.5
_INSIDE = 0.8
_SAMPLE_ROWS = 5

Condition = tuple[int, int, int]
"""A cut by its place, and the lowest and highest code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A slice under consideration."""

    conditions: tuple[Condition, ...]
    rows: int
    total: float
    at_least: float
    p_value: float = 1.0

    @property
    def columns(self) -> tuple[int, ...]:
        """The places of its cuts."""
        return tuple(sorted(condition[0] for condition in self.conditions))


def find_slices(
    answers: Answers,
    frame: pd.DataFrame,
    config: SlicesSpec | Literal["auto", "none"],
    *,
    masked: Collection[str] = (),
    seed: int = 0,
) -> SliceSearch:
    """Find the slices that are worst; a model that errs alike everywhere has none.

    A slice is shown if it has `minimum_rows`, if its mean loss is at least a tenth above the rest's, and if the
    difference is a discovery at 5 % by Benjamini and Hochberg. Slices are ranked by the lower end of the interval of
    the difference; of slices that share most of their rows the first is shown, and a further condition only where it
    makes a difference itself. Values of `masked` columns are not shown in sample rows.
    """
    if config == "none":
        return SliceSearch()
    chosen = settings(config)
    units = Units.of(answers, frame, chosen.columns)
    cuts, skipped = cut_columns(units.frame, units.columns, chosen.minimum_rows)
    search = _Search.of(cuts, Evidence.of(units.losses), chosen.minimum_rows, seed)
    tested = [_lattice(cuts, level) for level in range(1, chosen.depth + 1)]
    distinct = search.distinct(search.discovered(tested), chosen.show)
    slices = tuple(_describe(candidate, search, units, answers, frame, masked) for candidate in distinct)
    return SliceSearch(
        slices=slices,
        units=units.name,
        rows=len(units.losses),
        searched_rows=len(search.sample.losses),
        columns=len(cuts),
        tested=sum(tested),
        skipped=skipped | units.skipped,
    )


def _lattice(cuts: list[Cut], level: int) -> int:
    """Count the slices of so many conditions: the elementary symmetric polynomial of the numbers of ranges."""
    sums = [1] + [0] * level
    for cut in cuts:
        for order in range(level, 0, -1):
            sums[order] += sums[order - 1] * len(cut.low)
    return sums[level]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    cuts: list[Cut]
    evidence: Evidence
    minimum: int
    sample: Evidence
    sampled: Array
    """Columns x sampled rows: codes, each column's from an offset of its own."""
    offsets: Array
    known: dict[tuple[Condition, ...], tuple[int, float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, cuts: list[Cut], evidence: Evidence, minimum: int, seed: int) -> Self:
        """Draw the rows on which combinations are searched."""
        import numpy as np

        rows = len(evidence.losses)
        most = max(5_000, min(SEARCHED_ROWS, _SEARCHED_CELLS // max(len(cuts), 1)))
        drawn = np.arange(rows)
        if rows > most:
            drawn = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
        widths = [int(cut.high.max()) + 1 for cut in cuts]
        offsets = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        sampled = np.empty((len(cuts), len(drawn)), dtype=np.int64)
        for place, cut in enumerate(cuts):
            sampled[place] = cut.codes[drawn] + offsets[place]
        sample = evidence.take(drawn)
        return cls(cuts=cuts, evidence=evidence, minimum=minimum, sample=sample, sampled=sampled, offsets=offsets)

    def discovered(self, tested: list[int]) -> list[Candidate]:
        """Give the slices of every level that are discoveries and really worse, the worst first."""
        found: list[Candidate] = []
        beam = self.singles()
        for level, count in enumerate(tested, start=1):
            candidates = beam if level == 1 else [self.measured(one.conditions) for one in beam[:_CANDIDATES]]
            p_values = [one.p_value for one in candidates]
            sure = discoveries(p_values, count, ALPHA / len(tested))
            found += [one for one, yes in zip(candidates, sure, strict=True) if yes and self._is_worse(one)]
            if level < len(tested):
                beam = self._extended(_narrowed(beam, _PER_COLUMN, _BEAM))
        return sorted(found, key=lambda one: (-one.at_least, one.conditions))

    def singles(self) -> list[Candidate]:
        """Measure every single condition, on all rows."""
        import numpy as np

        found: list[Candidate] = []
        for place, cut in enumerate(self.cuts):
            counts, sums, scores = (
                _of_ranges(np.bincount(cut.codes, weights), cut)
                for weights in (None, self.evidence.losses, self.evidence.scores)
            )
            low = self.evidence.at_least(counts, sums)
            p_values = self.evidence.p_values(counts, scores)
            found += [
                Candidate(
                    conditions=((place, int(cut.low[i]), int(cut.high[i])),),
                    rows=int(counts[i]),
                    total=float(sums[i]),
                    at_least=float(low[i]),
                    p_value=float(p_values[i]),
                )
                for i in np.flatnonzero(self._enough(counts, len(self.evidence.losses), self.minimum))
            ]
        return sorted(found, key=lambda one: (-one.at_least, one.conditions))

    @staticmethod
    def _enough(counts: Array, rows: int, minimum: float) -> Array:
        """Say which slices are big enough, and leave as much outside to compare with."""
        return (counts >= minimum) & (rows - counts >= minimum)

    def _extended(self, beam: list[Candidate]) -> list[Candidate]:
        """Add one condition to each slice of the beam, on the sampled rows."""
        found: dict[tuple[Condition, ...], Candidate] = {}
        for parent in beam:
            for child in self._children(parent):
                found.setdefault(child.conditions, child)
        ranked = sorted(found.values(), key=lambda one: (-one.at_least, one.conditions))
        return _narrowed(ranked, _PER_COLUMN, max(_CANDIDATES, _BEAM))

    def _children(self, parent: Candidate) -> Iterator[Candidate]:
        import numpy as np

        rows = np.flatnonzero(self._sampled_where(parent.conditions))
        losses = self.sample.losses[rows]
        inside = self.sampled[:, rows]
        width = int(self.offsets[-1])
        counts_of = np.bincount(inside.ravel(), minlength=width)
        sums_of = np.bincount(inside.ravel(), np.tile(losses, len(self.cuts)), minlength=width)
        minimum = max(self.minimum * len(self.sample.losses) / len(self.evidence.losses), min(self.minimum, 10))
        spread, whole = float(losses.std()) if len(losses) else 0.0, float(losses.sum())
        for place, cut in enumerate(self.cuts):
            if place in parent.columns:
                continue
            part = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
            counts, sums = _of_ranges(counts_of[part], cut), _of_ranges(sums_of[part], cut)
            low = self.sample.at_least(counts, sums)
            good = self._enough(counts, len(self.sample.losses), minimum) & (low > 0)
            good &= _makes_a_difference(counts, sums, len(losses), whole, spread)
            best = np.flatnonzero(good)
            for i in best[np.argsort(-low[best], kind="stable")][:_PER_COLUMN]:
                added = (place, int(cut.low[i]), int(cut.high[i]))
                yield Candidate(
                    conditions=tuple(sorted((*parent.conditions, added))),
                    rows=int(counts[i]),
                    total=float(sums[i]),
                    at_least=float(low[i]),
                )

    def _sampled_where(self, conditions: tuple[Condition, ...]) -> Array:
        import numpy as np

        rows = np.ones(self.sampled.shape[1], dtype=bool)
        for place, low, high in conditions:
            codes = self.sampled[place] - self.offsets[place]
            rows &= (codes >= low) & (codes <= high)
        return rows

    def where(self, conditions: tuple[Condition, ...]) -> Array:
        """Give the rows (n booleans) that meet all conditions."""
        place, low, high = conditions[0]
        rows = self.cuts[place].where(low, high)
        for place, low, high in conditions[1:]:
            rows &= self.cuts[place].where(low, high)
        return rows

    def measured(self, conditions: tuple[Condition, ...]) -> Candidate:
        """Measure a slice on all rows."""
        import numpy as np

        rows = self.where(conditions)
        count, total = np.array([rows.sum()]), np.array([self.evidence.losses[rows].sum()])
        low = self.evidence.at_least(count, total)
        p_value = self.evidence.p_values(count, np.array([self.evidence.scores[rows].sum()]))
        return Candidate(
            conditions=conditions,
            rows=int(count[0]),
            total=float(total[0]),
            at_least=float(low[0]),
            p_value=float(p_value[0]),
        )

    def rest_loss(self, candidate: Candidate) -> float:
        """Give the mean loss of the rows outside."""
        return (self.evidence.total - candidate.total) / (len(self.evidence.losses) - candidate.rows)

    def _is_worse(self, one: Candidate) -> bool:
        enough = bool(self._enough(one.rows, len(self.evidence.losses), self.minimum))  # type: ignore[arg-type]
        worse = enough and one.at_least > 0 and one.total / one.rows >= _MATERIAL * self.rest_loss(one)
        return worse and (len(one.conditions) == 1 or self._every_condition_counts(one))

    def _every_condition_counts(self, one: Candidate) -> bool:
        import numpy as np

        counts, sums = np.array([one.rows]), np.array([one.total])
        fewer = combinations(one.conditions, len(one.conditions) - 1)
        return all(bool(_makes_a_difference(counts, sums, *self._moments(some))[0]) for some in fewer)

    def _moments(self, conditions: tuple[Condition, ...]) -> tuple[int, float, float]:
        """Give rows, total loss and its spread of a slice; many candidates share their wider slices."""
        if conditions not in self.known:
            losses = self.evidence.losses[self.where(conditions)]
            self.known[conditions] = len(losses), float(losses.sum()), float(losses.std())
        return self.known[conditions]

    def distinct(self, found: list[Candidate], show: int) -> list[Candidate]:
        """Take the first slices that are not nearly the same rows as one before, nor worse only because of it."""
        import numpy as np

        chosen: list[Candidate] = []
        masks: list[tuple[tuple[int, ...], Array]] = []
        covered = np.zeros(len(self.evidence.losses), dtype=bool)
        for one in found:
            if len(chosen) == show:
                break
            rows = self.where(one.conditions)
            if any(_nearly_the_same(rows, mask, same=one.columns == columns) for columns, mask in masks):
                continue
            new = rows & ~covered
            count = int(new.sum())
            if count < one.rows:
                low = self.evidence.at_least(np.array([count]), np.array([self.evidence.losses[new].sum()]))
                if count < self.minimum or not low[0] > 0:
                    continue
            chosen.append(one)
            masks.append((one.columns, rows))
            covered |= rows
        return chosen


def _nearly_the_same(rows: Array, before: Array, *, same: bool) -> bool:
    """Say if rows lie in a slice before, are mostly its rows, or (of the same columns) enclose it: its diluted form."""
    count, other, both = int(rows.sum()), int(before.sum()), int((rows & before).sum())
    encloses = same and both >= _INSIDE * other
    return both >= _INSIDE * count or encloses or both > _SAME_ROWS * (count + other - both)


def _of_ranges(by_code: Array, cut: Cut) -> Array:
    """Sum over the ranges of a cut, by differences of running sums."""
    import numpy as np

    running: Array = np.concatenate([[0], np.cumsum(by_code, dtype=np.float64)])
    running = np.pad(running, (0, max(0, int(cut.high.max()) + 2 - len(running))), mode="edge")
    found: Array = running[cut.high + 1] - running[cut.low]
    return found


_DIFFERENCE = 3.5
"""Standard errors by which a further condition must matter: about one in 4,000 by chance, a column has 55 ranges."""


def _makes_a_difference(counts: Array, sums: Array, rows: int, whole: float, spread: float) -> Array:
    """Say for which parts of a slice the loss is surely above that of the slice's other rows."""
    import numpy as np

    others = rows - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / counts - (whole - sums) / others
        error = spread * np.sqrt(1 / counts + 1 / others)
    return np.where((counts > 0) & (others > 0), gap > _DIFFERENCE * error, False)


def _narrowed(ranked: list[Candidate], per_columns: int, most: int) -> list[Candidate]:
    """Take the first of a ranking, of the same columns no more than some, so that one column does not fill the beam."""
    seen: dict[tuple[int, ...], int] = {}
    kept: list[Candidate] = []
    for one in ranked:
        seen[one.columns] = seen.get(one.columns, 0) + 1
        if seen[one.columns] <= per_columns:
            kept.append(one)
        if len(kept) == most:
            break
    return kept


def _describe(
    candidate: Candidate,
    search: _Search,
    units: Units,
    answers: Answers,
    frame: pd.DataFrame,
    masked: Collection[str],
) -> Slice:
    conditions = [search.cuts[place].text(low, high) for place, low, high in candidate.conditions]
    first = [search.cuts[place].name for place, _, _ in candidate.conditions]
    rows = units.rows_of(search.where(candidate.conditions))
    return Slice(
        conditions=tuple(conditions),
        rows=candidate.rows,
        share=candidate.rows / len(units.losses),
        loss=candidate.total / candidate.rows,
        rest_loss=search.rest_loss(candidate),
        at_least=candidate.at_least,
        p_value=candidate.p_value,
        metrics=units.measure(answers, rows),
        worst_rows=tuple(
            worst_rows(answers, frame, _SAMPLE_ROWS, within=rows, first=first, masked=masked, losses=units.row_losses)
        ),
    )
