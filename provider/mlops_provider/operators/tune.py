"""The trials of a phase `train` as tasks of their own: `model.trial`, mapped over the workers of the search."""

from __future__ import annotations

from typing import Any

from mlops_provider.operators.phase import PhaseOperator


class RunTrialsOperator(PhaseOperator):
    """Run trials of a search until none is left; other workers do the same elsewhere.

    It reads what its training reads, runs where that runs and leaves a record of its own. `worker` counts from 1.
    """

    phase_type = "train"
    ui_color = "#eef7ea"

    def __init__(self, *, worker: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.worker = worker
