"""Drift of importances: whether the model still lives on the columns that it lived on when it was made.

Permutation importance is measured on labelled rows of the log and on the rows of the version's making, equally many of
each at most. What is not above chance counts as nothing, so that the order of useless columns does not matter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.explanation.importance import permutation_importances
from mlops_provider.runtime.monitor.performance.log_answers import data_of
from mlops_provider.runtime.monitor.performance.reference import asking_the_model
from mlops_provider.runtime.sql import require_columns
from mlops_provider.verdicts import Result, RuleResult

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.monitoring.performance import ImportanceCheck
    from mlops_provider.runtime.explanation.importance import Importances
    from mlops_provider.runtime.monitor.performance.reference import Reference
    from mlops_provider.store.models import Signature

CORRELATION = "importance_correlation"
REPEATS = 3
MOST_CELLS = 200_000
"""Rows times columns of each side: of very many columns fewer rows are taken, so that a check does not take hours."""
_LEAST_ROWS = 200
_MOVERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnImportance:
    """A column's importances, as shares of all that is above chance: before and now."""

    column: str
    before: float
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceDrift:
    """The columns, those that moved most first; `correlation` is Spearman's over all of them, None where undefined."""

    scoring: str
    rows: int
    what: str
    columns: tuple[ColumnImportance, ...]
    correlation: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def measure_importance_drift(
    check: ImportanceCheck, signature: Signature, reference: Reference, rows: pd.DataFrame
) -> ImportanceDrift:
    """Measure both sides; DataError where rows lack what the model needs."""
    from scipy.stats import spearmanr
    from threadpoolctl import threadpool_limits

    labelled = data_of(signature, rows)
    require_columns(labelled.columns, signature.names(), "the prediction log")
    frame, _, what = reference.rows
    most = min(check.rows, max(_LEAST_ROWS, MOST_CELLS // len(signature.features)))
    sides = (_some(frame, signature, most), _some(labelled, signature, most))
    # of many short calls the threads that wait for one another would cost the most
    with asking_the_model(), threadpool_limits(1, user_api="openmp"):
        before, now = (
            permutation_importances(reference.model, side, scoring=check.scoring, repeats=REPEATS) for side in sides
        )
    shares = _shares(before), _shares(now)
    names = signature.names()
    columns = [ColumnImportance(column=name, before=shares[0][name], now=shares[1][name]) for name in names]
    values = [[share[name] for name in names] for share in shares]
    constant = any(min(side) == max(side) for side in values)
    correlation = None if constant or len(names) < _MOVERS else float(spearmanr(*values).statistic)
    columns.sort(key=lambda one: (-abs(one.now - one.before), one.column))
    return ImportanceDrift(
        scoring=now.scoring, rows=len(sides[1]), what=what, columns=tuple(columns), correlation=correlation
    )


def judge_importance(check: ImportanceCheck, found: ImportanceDrift) -> RuleResult:
    """Judge the correlation; the reason names the columns that moved most."""
    moved = ", ".join(f"{one.column} {one.before:.0%} to {one.now:.0%}" for one in found.columns[:_MOVERS])
    if found.correlation is None:
        why = "importances cannot be correlated: no column matters more than chance, or there are fewer than three"
        return RuleResult(rule="importance", result="not_applicable", why=why)
    broken = found.correlation < check.correlation
    why = (
        f"importances correlate {found.correlation:.2f} with those before, least {check.correlation:g}; "
        f"most moved: {moved} ({found.rows:,} rows)"
    )
    result: Result = "passed" if not broken else "failed" if check.severity == "fail" else "warned"
    return RuleResult(
        rule="importance", result=result, why=why, value=found.correlation, threshold=check.correlation, n=found.rows
    )


def _shares(found: Importances) -> dict[str, float]:
    kept = {one.columns[0]: 0.0 if one.noise else one.mean for one in found.columns}
    total = sum(kept.values())
    return {name: value / total if total > 0 else 0.0 for name, value in kept.items()}


def _some(frame: pd.DataFrame, signature: Signature, most: int) -> pd.DataFrame:
    """Take rows at equal distances; of a ranking whole queries from the start, of a forecast the latest."""
    if len(frame) <= most:
        return frame
    if signature.query:
        first = frame[signature.query].drop_duplicates()
        counts = frame[signature.query].value_counts()[first].cumsum()
        inside = frame[signature.query].isin(counts[counts <= most].index)
        if not inside.any():
            raise DataError(f"the first query has more than {most} rows", hint="raise importance.rows")
        return frame[inside]
    if signature.task == "forecasting":
        return frame.tail(most)
    step = len(frame) / most
    return frame.iloc[[int(place * step) for place in range(most)]]
