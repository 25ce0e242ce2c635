"""Phase type `deploy`."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.operators.admission import admit
from mlops_provider.operators.deadline import deadline
from mlops_provider.operators.inputs import resolve_inputs
from mlops_provider.operators.phase import PhaseOperator, run_context

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.store.placements import Placement


class DeployModelOperator(PhaseOperator):
    """Make a service run a model version in an environment; a rollout in a cluster is waited for in the triggerer."""

    phase_type = "deploy"
    ui_color = "#e6dff3"

    def execute(self, context: Context) -> dict[str, Any]:
        """Deploy; where a cluster needs time, ask it and wait without a worker."""
        admit(self, context)
        placement = self._begin(context)
        if placement is not None:
            from mlops_provider.triggers.rollout import RolloutTrigger

            self.defer(trigger=RolloutTrigger(placement=placement.to_dict()), method_name="execute_complete")
        return self._finish(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Look at what became of it, put it on record or undo it."""
        self.log.info("the rollout is %s: %s", event["status"], event["said"])
        return self._finish(context)

    def connections(self, config: Any) -> dict[str, str]:
        """Give the addresses of the engine or cluster, and of the one where the service ran before."""
        return target_connections(self.workflow, config)

    def _begin(self, context: Context) -> Placement | None:
        """Give the placement that has to be waited for; what goes wrong here goes wrong again on record."""
        from mlops_provider.runtime.deploy import begin_elsewhere

        module, _, name = self.spec.partition(":")
        try:
            config = getattr(import_module(module), name).model_validate(self.config)
            run = replace(run_context(self, context), connections=self.connections(config))
            return begin_elsewhere(config, resolve_inputs(self, context), run)
        except MlopsError as err:
            self.log.info("the rollout does not begin: %s", err)
            return None

    def _finish(self, context: Context) -> dict[str, Any]:
        with deadline(self.execution_timeout):
            finished = self.run(context)
        self.announce(finished, context)
        return finished.to_xcom()


def target_connections(workflow: str, config: Any) -> dict[str, str]:
    """Give the addresses of where a phase's service is to run and of where it runs now, by connection id."""
    from mlops_provider.hooks.addresses import addresses
    from mlops_provider.runtime.targets.wanted import connection_of
    from mlops_provider.settings import Settings
    from mlops_provider.store.placements import read_placement
    from mlops_provider.store.store import Store

    store = Store(Settings.from_airflow().store_url)
    there = read_placement(store, workflow, config.environment)
    places = [(there.target, there.connection)] if there else []
    return addresses([*places, (getattr(config, "target", "server"), connection_of(config))])


def placed_connections(workflow: str) -> dict[str, str]:
    """Give the addresses of where the services of a workflow run."""
    from mlops_provider.hooks.addresses import addresses
    from mlops_provider.runtime.targets.upkeep import placed
    from mlops_provider.settings import Settings
    from mlops_provider.store.store import Store

    found = placed(Store(Settings.from_airflow().store_url), workflow)
    return addresses((placement.target, placement.connection) for placement in found)
