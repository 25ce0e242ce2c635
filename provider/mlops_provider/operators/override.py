"""Ask people whether a run may go on although a checkpoint blocked it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.console.links import PhaseRecordLink, record_address
from mlops_provider.operators.admission import admit
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering
from mlops_provider.operators.results import results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from airflow.sdk import Context

OVERRIDE, STOP = "Override", "Stop"
REASON = "reason"


class OverrideCheckpointOperator(PhaseRendering, HITLOperator):
    """Go on at once where the checkpoint let the run pass; otherwise show why not and wait without a worker.

    `of` is the checkpoint's phase. An override needs a reason and is recorded with who gave it; a stop, or no answer in
    time, fails the task. `decide` answers in this process instead, for runs without a server.
    """

    operator_extra_links = (PhaseRecordLink(),)
    phase_type = "override"
    ui_color = "#f3dfe6"

    def __init__(
        self,
        *,
        workflow: str,
        of: str,
        approvers: Sequence[str],
        timeout: timedelta,
        control: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["params"] = {
            REASON: Param(
                None,
                type=["null", "string"],
                source="task",
                description="Why it may go on, or may not: stays on record. To go on, it must be given.",
            )
        }
        super().__init__(
            subject=f"{workflow}: {of} is blocked. Go on all the same?",
            body="",
            options=[OVERRIDE, STOP],
            defaults=STOP,
            response_timeout=timeout,
            assigned_users=[{"id": user, "name": user} for user in approvers] or None,
            **kwargs,
        )
        self.workflow = workflow
        self.of = of
        self.phase = self.task_id
        self.take(control or {})
        self.decide: Callable[[str, str], tuple[str, str]] | None = None

    def execute(self, context: Context) -> Any:
        """Look at the verdict; ask where it is blocked."""
        from mlops_provider.runtime.records import read_record

        admit(self, context)
        run, result = run_context(self, context), results_of(context).get(self.of)
        if result["verdict"] != "blocked":
            return {"outputs": {}, "verdict": result["verdict"], "record": result["record"]}
        record = read_record(run.store(), result["record"])
        address = record_address(context["dag_run"].dag_id, run.run_id, self.of)
        self.body = f"{record['summary']}\n\n[The whole record of {self.of}]({address})"
        if self.decide is None:
            return super().execute(context)
        choice, reason = self.decide(self.subject, self.body)
        return self._finish(context, overridden=choice == OVERRIDE, by="the terminal", reason=reason)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer; an override without a reason is asked for again."""
        if "error" in event:
            raise AirflowFailException(f"the decision could not be read: {event['error']}")
        overridden = event["chosen_options"] == [OVERRIDE]
        reason = str((event["params_input"] or {}).get(REASON) or "").strip()
        if overridden and not reason:
            self.log.warning("an override needs a reason: asking again")
            return super().execute(context)
        user = event["responded_by_user"]
        by = user["name"] if user else "the default: nobody answered in time"
        return self._finish(context, overridden=overridden, by=by, reason=reason)

    def _finish(self, context: Context, *, overridden: bool, by: str, reason: str) -> dict[str, Any]:
        from mlops_provider.runtime.approval.overrides import record_override
        from mlops_provider.runtime.records import note, read_record

        run = run_context(self, context)
        blocked = read_record(run.store(), results_of(context).get(self.of)["record"])
        entry = record_override(run, blocked, overridden=overridden, by=by, reason=reason)
        said = f"{'Overridden' if overridden else 'Stopped'} by {by}{f': {reason}' if reason else ''}"
        uri = note(
            run,
            started=context["ti"].start_date.isoformat(),
            status="succeeded" if overridden else "rejected",
            summary=f"{said}.",
            config={"of": self.of},
            details={"overridden": overridden, "by": by, "reason": reason, "entry": entry},
        )
        if not overridden:
            _fail(f"{self.of} is blocked: {said}")
        return {"outputs": {}, "verdict": "overridden", "record": uri}


def _fail(why: str) -> NoReturn:
    raise AirflowFailException(why)
