"""Checks of how features and predictions are distributed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlops_dag_factory.spec.base import FunctionPath, Spec

Severity = Literal["warn", "fail"]
Method = Literal["wasserstein", "jensenshannon", "psi", "ks", "chisquare", "hellinger", "length", "vocabulary"]
_METHODS = (
    "of numbers wasserstein (over the baseline's standard deviation; the default), jensenshannon, psi, ks (the "
    "statistic), hellinger; of categories and booleans jensenshannon (the default), psi, chisquare (Cohen's w), "
    "hellinger; of texts vocabulary (share of words that are not in the baseline; the default), length, jensenshannon, "
    "psi, hellinger (of the words); of times, which are scored only where a method is named, as of numbers"
)


class ColumnDrift(Spec):
    """How one column is scored."""

    method: Method | None = Field(default=None, description=f"Distance: {_METHODS}.")
    threshold: float | None = Field(default=None, gt=0, description="Score from which the column counts as drifted.")
    embedding: Literal["hashing"] | FunctionPath | None = Field(
        default=None,
        description="For texts: scored by how well a classifier tells their embeddings apart (ROC AUC, threshold 0.6 "
        "by default). hashing: words and pairs of words, hashed; or 'module:function', which takes a list of texts "
        "and gives an array, one row each.",
    )


class MultivariateDrift(Spec):
    """A classifier that tries to tell the window's rows from the baseline's."""

    threshold: float = Field(
        default=0.6, gt=0.5, le=1, description="ROC AUC (cross-validated; 0.5 is a coin) from which it is drift."
    )
    columns: list[str] = Field(default_factory=list, description="Features that it may use; default: all but times.")
    rows: int = Field(default=2000, ge=100, description="Most rows of each side that it learns from.")
    severity: Severity = Field(
        default="fail", description="fail: drift is a breach; warn: it is shown, other checks decide."
    )


class DataDriftCheck(Spec):
    """Features that are distributed otherwise than in the baseline."""

    share: float = Field(default=0.1, gt=0, le=1, description="Share of features that must drift for a breach.")
    threshold: float = Field(default=0.1, gt=0, description="Score from which a feature counts as drifted.")
    method: Method | None = Field(
        default=None,
        description=f"Distance of the features that have it; the others keep the default of their kind: {_METHODS}.",
    )
    columns: dict[str, ColumnDrift] = Field(
        default_factory=dict, description="Single features that are scored otherwise: name -> method, threshold."
    )
    weight_by: Literal["importance"] | None = Field(
        default=None,
        description="importance: a feature counts in `share` as much as the model loses without it (permutation "
        "importance on the baseline's rows); default: all count the same.",
    )
    false_discovery: float | None = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Share of the features called drifted that may be so by chance, at the sizes of window and "
        "baseline (Benjamini-Hochberg); null: the threshold alone decides.",
    )
    multivariate: MultivariateDrift | None = Field(
        default=None, description="Also look for drift in how features go together."
    )
    severity: Severity = Field(
        default="fail", description="fail: drift is a breach; warn: it is shown, other checks decide."
    )


class PredictionDriftCheck(Spec):
    """Predictions that are distributed otherwise than in the baseline."""

    threshold: float = Field(default=0.1, gt=0, description="Score of a breach.")
    method: Method | None = Field(
        default=None, description="Distance; default: jensenshannon of classes, wasserstein (normed) of numbers."
    )
    false_discovery: float | None = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Largest probability of such a score by chance, at the sizes of window and baseline; null: the "
        "threshold alone decides.",
    )
    severity: Severity = Field(
        default="fail", description="fail: drift is a breach; warn: it is shown, other checks decide."
    )
