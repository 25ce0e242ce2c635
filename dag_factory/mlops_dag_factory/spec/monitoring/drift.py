"""Checks of how features and predictions are distributed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlops_dag_factory.spec.base import Spec

Severity = Literal["warn", "fail"]


class DataDriftCheck(Spec):
    """Features that are distributed otherwise than in the baseline."""

    share: float = Field(default=0.3, gt=0, le=1, description="Share of features that must drift for a breach.")
    threshold: float = Field(default=0.1, gt=0, description="Score from which a feature counts as drifted.")
    method: Literal["wasserstein", "jensenshannon", "psi"] | None = Field(
        default=None, description="Distance; default: Wasserstein (normed) for numbers, Jensen-Shannon for categories."
    )
    severity: Severity = Field(
        default="fail", description="fail: drift is a breach; warn: it is shown, other checks decide."
    )


class PredictionDriftCheck(Spec):
    """Predictions that are distributed otherwise than in the baseline."""

    threshold: float = Field(
        default=0.1, gt=0, description="Jensen-Shannon (classes) or normed Wasserstein score of a breach."
    )
    severity: Severity = Field(
        default="fail", description="fail: drift is a breach; warn: it is shown, other checks decide."
    )
