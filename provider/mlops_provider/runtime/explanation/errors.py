"""Where a model errs: the worst slices, and the rows with the largest losses with what moved their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.error_analysis import worst_rows
from mlops_provider.runtime.explanation.shap_values import explain_rows
from mlops_provider.runtime.slices import find_slices

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.explanation.shap_values import ShapValues
    from mlops_provider.runtime.slices import SliceSearch
    from mlops_provider.store.models import LoadedModel

WORST_ROWS = 8
_CAUSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """The worst slices and rows; with SHAP, `because` of a row are the columns that moved its answer the most.

    `unit` is what the numbers of `because` are in; empty where rows were not explained.
    """

    slices: SliceSearch
    rows: tuple[dict[str, Any], ...]
    unit: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {"slices": self.slices.to_dict(), "rows": list(self.rows), "unit": self.unit}


def find_errors(
    model: LoadedModel, answers: Answers, frame: pd.DataFrame, *, shap: ShapValues | None, seed: int = 0
) -> Errors:
    """Look for the worst slices and rows; with SHAP values, explain those rows."""
    slices = find_slices(answers, frame, "auto", seed=seed)
    first = [name for name, _ in shap.ranking()] if shap is not None else []
    rows = worst_rows(answers, frame, WORST_ROWS, first=first)
    if shap is None or not rows:
        return Errors(slices=slices, rows=tuple(rows))
    found = explain_rows(model, frame.iloc[[row["row"] for row in rows]], model.baseline())
    for row, values in zip(rows, found.of_answer(), strict=True):
        order = sorted(range(len(values)), key=lambda place: -abs(values[place]))[:_CAUSES]
        row["because"] = {found.features[place]: float(values[place]) for place in order if values[place]}
    return Errors(slices=slices, rows=tuple(rows), unit=found.unit)
