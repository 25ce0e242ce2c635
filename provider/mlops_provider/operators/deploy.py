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
    from mlops_provider.runtime.targets.wanted import connection_of
    from mlops_provider.settings import Settings
    from mlops_provider.store.placements import read_placement
    from mlops_provider.store.store import Store

    store = Store(Settings.from_airflow().store_url)
    placement = read_placement(store, workflow, config.environment)
    wanted = {connection_of(config): getattr(config, "target", "server")}
    there = {placement.connection: placement.target} if placement else {}
    return {
        conn_id: address_of(conn_id, target)
        for conn_id, target in (there | wanted).items()
        if conn_id and target != "server"
    }


def address_of(conn_id: str, target: str) -> str:
    """Give the address of an engine or a cluster."""
    if target == "docker":
        from mlops_provider.hooks.docker import DockerEngineHook

        return DockerEngineHook(conn_id).address()
    from mlops_provider.hooks.kubernetes import ClusterHook

    return ClusterHook(conn_id).address()
