"""Names of columns as gates and metrics write them: letters, digits and `_` only."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

FAIRNESS_METRICS = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalized_odds_difference",
    "true_positive_rate_difference",
    "false_positive_rate_difference",
    "accuracy_difference",
    "mean_prediction_difference",
    "mean_error_difference",
    "mae_difference",
)
"""What a gate may read of a sensitive column; the last three of models that give numbers."""


def gate_name(column: str) -> str:
    """Give the name of a column in gates: 'mean radius (cm)' is `mean_radius_cm_`, '2nd' is `_2nd`, 'class' `class_`.

    Every run of other characters becomes one `_`; one is put before a digit and after a word of Python's.
    """
    text = unicodedata.normalize("NFKC", column)
    plain = "".join(char if f"_{char}".isidentifier() else " " for char in text)
    name = re.sub(" +", "_", plain)
    if not name or not name.isidentifier():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def gate_names(columns: Iterable[str]) -> dict[str, str]:
    """Give the name of each column in gates; ConfigError where two have the same."""
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for column in columns:
        name = gate_name(column)
        if name in taken and taken[name] != column:
            raise ConfigError(
                f"the columns '{taken[name]}' and '{column}' are both called '{name}' in gates and metrics",
                hint="rename one of them with a transform",
            )
        taken[name] = column
        found[column] = name
    return found
