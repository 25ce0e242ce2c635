"""All that was found about a model, and the metrics that gates read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_provider.runtime.explanation.dependence import Dependence
    from mlops_provider.runtime.explanation.errors import Errors
    from mlops_provider.runtime.explanation.fairness import Fairness, Gap
    from mlops_provider.runtime.explanation.importance import Importances
    from mlops_provider.runtime.explanation.shap_values import ShapValues
    from mlops_provider.store.models import Signature

TOP = 6
"""So many features are looked at more closely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a model looks at, whom it treats how, where it errs, on `rows` of `total` rows.

    `gate_names` has the name of each column as gates write it.
    """

    signature: Signature
    rows: int
    total: int
    gate_names: dict[str, str]
    favorable: str = ""
    importances: Importances | None = None
    shap: ShapValues | None = None
    fairness: tuple[Fairness, ...] = ()
    dependences: tuple[Dependence, ...] = ()
    errors: Errors | None = None

    def favorable_class(self) -> str:
        """Give the class that is good for a person: the chosen one, or the second of two."""
        return self.favorable or (str(self.signature.classes[1]) if len(self.signature.classes) > 1 else "")

    def ranking(self) -> list[tuple[str, float]]:
        """Give every feature with its importance, the largest first: the permutation's, or the mean |SHAP|."""
        if self.importances is not None:
            return [(one.columns[0], one.mean) for one in self.importances.columns]
        return self.shap.ranking() if self.shap is not None else []

    def top(self) -> list[str]:
        """Give the features that matter most."""
        return [name for name, value in self.ranking()[:TOP] if value > 0]

    def metrics(self) -> tuple[dict[str, float], dict[str, str]]:
        """Give the metrics as gates name them, and of those that this data does not define, why."""
        found: dict[str, float] = {}
        undefined: dict[str, str] = {}
        for name, value in self.ranking():
            found[f"importance.{self.gate_names[name]}"] = value
        for one in self.fairness:
            prefix = f"fairness.{self.gate_names[one.column]}"
            for metric, gap in one.gaps.items():
                found |= {
                    f"{prefix}.{metric}": gap.value,
                    f"{prefix}.{metric}.low": gap.low,
                    f"{prefix}.{metric}.high": gap.high,
                }
            for metric, why in one.undefined.items():
                undefined |= {f"{prefix}.{metric}{end}": why for end in ("", ".low", ".high")}
        return found, undefined

    def gap(self, name: str) -> Gap | None:
        """Give the gap that a metric's name, such as `fairness.sex.accuracy_difference`, means."""
        for one in self.fairness:
            for metric, gap in one.gaps.items():
                if name == f"fairness.{self.gate_names[one.column]}.{metric}":
                    return gap
        return None

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "rows": self.rows,
            "of": self.total,
            "gate_names": self.gate_names,
            "favorable": self.favorable,
            "importance": self.importances.to_dict() if self.importances else None,
            "shap": self.shap.to_dict() if self.shap else None,
            "partial_dependence": [one.to_dict() for one in self.dependences],
            "errors": self.errors.to_dict() if self.errors else None,
            "fairness": [one.to_dict() for one in self.fairness],
        }
