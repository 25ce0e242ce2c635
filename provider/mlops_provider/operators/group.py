"""Several phases in one task: the same records and outputs as in tasks of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from mlops_provider.operators.admission import reason_to_skip
from mlops_provider.operators.deadline import deadline
from mlops_provider.operators.rendering import PhaseRendering, add_names
from mlops_provider.operators.results import SKIPPED, Skip, results_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from mlops_provider.operators.phase import PhaseOperator


class GroupPhasesOperator(PhaseRendering, BaseOperator):
    """Run phases one after the other in the worker; give what each returned.

    `phases` are their operators, in an order in which each comes after those that it refers to; they belong to no DAG.
    A phase that fails ends the task; a retry does them all again, which gives the same outputs.
    """

    ui_color = "#e8e8f4"

    def __init__(
        self, *, phases: Sequence[PhaseOperator], control: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.phases = list(phases)
        self.members = tuple(phase.phase for phase in phases)
        self.take(
            {
                **(control or {}),
                "config": {phase.phase: phase.config for phase in phases},
                "sources": {phase.phase: phase.inputs for phase in phases},
                "controls": {phase.phase: phase.control for phase in phases},
            }
        )

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the phases; skipped only when all of them are."""
        own = results_of(context).own
        with deadline(self.execution_timeout):
            for phase in self.phases:
                own[phase.phase] = self._run(phase, context)
        results = {name: {SKIPPED: one.to_dict()} if isinstance(one, Skip) else one for name, one in own.items()}
        if all(isinstance(one, Skip) for one in own.values()):
            context["ti"].xcom_push(key="return_value", value={"phases": results})
            raise AirflowSkipException("; ".join(one.why for one in own.values() if isinstance(one, Skip)))
        return {"phases": results}

    def _run(self, phase: PhaseOperator, context: Context) -> dict[str, Any] | Skip:
        scope: Any = dict(context)
        scope["task"] = phase
        add_names(phase, scope)
        if skip := reason_to_skip(phase, scope):
            self.log.info("%s is skipped: %s", phase.phase, skip.why)
            return skip
        environment = self.get_template_env()
        phase.config = phase.render_template(phase.config, scope, environment)
        finished = phase.run(scope)
        verdict = finished.outcome.verdict
        if verdict and verdict.status == "blocked" and phase.config.get("on_fail") == "skip":
            return Skip("blocked", "; ".join(verdict.failures()))
        return finished.to_xcom()

    def on_kill(self) -> None:
        """End the phase that runs elsewhere."""
        for phase in self.phases:
            phase.on_kill()
