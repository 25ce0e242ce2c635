"""What is counted in slices: rows, or whole queries where rows of a query are ranked together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

_MEASURED_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Units with their losses (n) and the columns that cut them; `members` are the unit of each row, or None.

    `row_losses` are the losses of the rows, which a ranking has more of than units.
    """

    name: str
    frame: pd.DataFrame
    columns: list[str]
    losses: Array
    row_losses: Array
    members: Array | None = None
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: Answers, frame: pd.DataFrame, columns: list[str]) -> Self:
        """Take the rows; or, for a ranking, its queries: numbers as their mean, other columns where they are constant.

        Default of the columns: the features, and the time of a forecast.
        """
        import numpy as np

        signature = answers.signature
        names = list(columns) or [*signature.names(), *([signature.timestamp] if signature.timestamp else [])]
        names = [name for name in dict.fromkeys(names) if name in frame.columns or columns]
        losses = np.asarray(answers.losses(), dtype=np.float64)
        if not signature.query:
            return cls(name="rows", frame=frame, columns=names, losses=losses, row_losses=losses)
        return cls._queries(frame, names, signature.query, losses)

    @classmethod
    def _queries(cls, frame: pd.DataFrame, names: list[str], query: str, losses: Array) -> Self:
        import numpy as np
        import pandas as pd
        import pandas.api.types as kinds

        members, keys = pd.factorize(frame[query], use_na_sentinel=False)
        counts = np.bincount(members, minlength=len(keys))
        means = np.bincount(members, losses, minlength=len(keys)) / counts
        first = np.unique(members, return_index=True)[1]
        by_query: dict[str, Any] = {}
        skipped: dict[str, str] = {}
        for name in names:
            if name not in frame.columns:
                continue
            column = frame[name]
            of_first = column.iloc[first].reset_index(drop=True)
            if kinds.is_numeric_dtype(column) and not kinds.is_bool_dtype(column):
                groups = column.astype("float64").groupby(members)
                mean = groups.mean().to_numpy()
                constant = bool((groups.max() == groups.min()).all())
                by_query[name if constant else f"mean of {name}"] = of_first if constant else pd.Series(mean)
            elif len({*zip(members, pd.factorize(column)[0], strict=True)}) == len(keys):
                by_query[name] = of_first
            else:
                skipped[name] = "it is no number and differs within a query"
        table = pd.DataFrame(by_query)
        return cls(
            name="queries",
            frame=table,
            columns=list(by_query),
            losses=means,
            row_losses=losses,
            members=members,
            skipped=skipped,
        )

    def rows_of(self, units: Array) -> Array:
        """Give the rows (booleans) of some units (booleans)."""
        return units if self.members is None else units[self.members]

    def measure(
        self, answers: Answers, rows: Array, names: Sequence[str] = (), *, most: int = _MEASURED_ROWS
    ) -> dict[str, float]:
        """Measure metrics on some rows (booleans), of more than `most` on as many at equal distances.

        Default of the names: the task's usual ones. Queries are measured whole.
        """
        import numpy as np

        places = np.flatnonzero(rows)
        if self.members is None and len(places) > most:
            places = places[np.linspace(0, len(places) - 1, most).astype(np.int64)]
        return answers.take(places).measure(list(names), {})
