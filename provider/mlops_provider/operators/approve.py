"""Phase type `approve`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.console.links import PhaseRecordLink, record_address
from mlops_provider.operators.admission import admit
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering
from mlops_provider.operators.results import results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from airflow.sdk import Context


class ApproveReleaseOperator(PhaseRendering, ApprovalOperator):
    """Ask people, with the evidence in front of them; a rejection or no answer in time skips what follows.

    The task waits without a worker. `decide` answers in this process instead, for runs without a server.
    """

    template_fields: Collection[str] = ("config",)
    operator_extra_links = (PhaseRecordLink(),)
    phase_type = "approve"
    ui_color = "#f3dfe6"

    def __init__(
        self,
        *,
        workflow: str,
        spec: str,
        config: dict[str, Any],
        inputs: Mapping[str, Sequence[Sequence[str]]] | None = None,
        phase: str = "",
        control: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(subject=f"Release {workflow}?", defaults=self.REJECT, **kwargs)
        self.workflow = workflow
        self.inputs = dict(inputs or {})
        self.take(control or {})
        self.phase = phase or self.task_id
        self.spec = spec
        self.config = config
        self.decide: Callable[[str, str], str] | None = None

    def execute(self, context: Context) -> Any:
        """Show the evidence and wait for the decision."""
        admit(self, context)
        module, _, name = self.spec.partition(":")
        config = getattr(import_module(module), name).model_validate(self.config)
        self.response_timeout = config.timeout
        self.assigned_users = [{"id": user, "name": user} for user in config.approvers] or None
        self.body = self.evidence(context, config.evidence)
        if self.decide is None:
            return super().execute(context)
        choice = self.decide(self.subject, self.body)
        event = {"chosen_options": [choice], "params_input": {}, "responded_at": _now(), "responded_by_user": None}
        return self.execute_complete(context, event)

    def evidence(self, context: Context, phases: list[str]) -> str:
        """Write the Markdown of the request from the records of the phases."""
        from mlops_provider.runtime.records import read_record

        run = run_context(self, context)
        store = run.store()
        parts = [f"**{self.workflow}**, run `{run.run_id}`, asked for by {run.reason.get('by') or run.reason['kind']}."]
        if payload := run.reason.get("payload"):
            parts.append(f"Why this run exists: {payload.get('why', payload)}")
        for phase in phases:
            result = results_of(context).find(phase)
            if not isinstance(result, dict):
                parts.append(f"### {phase}\n\nIt did not run: {result.why if result else 'no result'}.")
                continue
            record = read_record(store, result["record"])
            address = record_address(context["dag_run"].dag_id, run.run_id, phase)
            parts.append(f"### {phase}\n\n{record['summary']}\n\n[The whole record of {phase}]({address})")
        return "\n\n".join(parts)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record who decided what, and skip what follows unless it was approved."""
        from mlops_provider.runtime.records import note

        if "error" in event:
            raise AirflowFailException(f"the decision could not be read: {event['error']}")
        approved = event["chosen_options"] == [self.APPROVE]
        user, at = event["responded_by_user"], event["responded_at"].isoformat()
        by = user["name"] if user else "the default: nobody answered in time"
        uri = note(
            run_context(self, context),
            started=at,
            status="succeeded" if approved else "rejected",
            summary=f"{'Approved' if approved else 'Rejected'} by {by}.",
            config=self.config,
            details={"approved": approved, "by": user, "at": at},
        )
        self.log.info("%s by %s; record: %s", "approved" if approved else "rejected", by, uri)
        super().execute_complete(context, event)
        return {"outputs": {}, "verdict": "passed" if approved else "blocked", "record": uri}


def _now() -> Any:
    from airflow.sdk.timezone import utcnow

    return utcnow()
