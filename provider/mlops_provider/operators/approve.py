"""Phase type `approve`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.console.links import PhaseRecordLink, approval_address, record_address
from mlops_provider.exceptions import DecisionRefusedError, MlopsError
from mlops_provider.operators.admission import admit
from mlops_provider.operators.inputs import resolve_inputs
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering
from mlops_provider.operators.results import Skip, results_of
from mlops_provider.refs import ModelRef

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from airflow.sdk import Context

    from mlops_dag_factory.spec import ApproveSpec
    from mlops_provider.runtime.approval.evidence import Evidence
    from mlops_provider.runtime.approval.ledger import Tally
    from mlops_provider.runtime.approval.request import Request
    from mlops_provider.runtime.contract import RunContext

REASON, EVIDENCE = "reason", "evidence"
CHOICES = {ApprovalOperator.APPROVE: "approved", ApprovalOperator.REJECT: "rejected"}
TERMINAL = "the terminal"
_MOST_IN_BODY = 12


class ApproveReleaseOperator(PhaseRendering, ApprovalOperator):
    """Ask people, with the evidence in front of them; a rejection or no answer in time skips what follows.

    The task waits without a worker. What was decided is in the audit chain, whichever way it came; Airflow's task
    follows it. An answer of Airflow's own page that the rules refuse is asked for again, and the log says why. `decide`
    answers in this process instead, for runs without a server: it is given the question and its text.
    """

    template_fields: Collection[str] = ("config",)
    operator_extra_links = (PhaseRecordLink(),)
    phase_type = "approve"
    ui_color = "#f3dfe6"
    optional_inputs = False

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
        super().__init__(subject=f"Release {workflow}?", defaults=self.REJECT, params=_form(), **kwargs)
        self.workflow = workflow
        self.inputs = dict(inputs or {})
        self.take(control or {})
        self.phase = phase or self.task_id
        self.spec = spec
        self.config = config
        self.decide: Callable[[str, str], tuple[str, str]] | None = None
        self.request: Request | None = None
        self.address = ""

    def execute(self, context: Context) -> Any:
        """Publish the evidence, ask, and wait for the decisions."""
        admit(self, context)
        run = run_context(self, context)
        try:
            evidence, self.request = self._ask(context, run)
        except MlopsError as err:
            if err.retryable:
                raise
            raise AirflowFailException(str(err)) from err
        self._show(context, evidence, self.request)
        if self.decide is not None:
            choice, reason = self.decide(self.subject, self.body)
            return self._settle(context, run, self.request, choice, reason, self.request.evidence, None)
        return self._go_on(context, run, self.request)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer of Airflow's page, unless the decision was made elsewhere; then end, or ask again."""
        from mlops_provider.runtime.approval.evidence import read_evidence
        from mlops_provider.runtime.approval.request import latest_request

        if "error" in event:
            raise AirflowFailException(f"the decision could not be read: {event['error']}")
        run = run_context(self, context)
        request = latest_request(run.store(), self.workflow, run.run_id, self.phase)
        if request is None:
            raise AirflowFailException(f"what {self.phase} of run {run.run_id} asked is gone from the store")
        self._show(context, read_evidence(run.store(), request.report), request)
        self.notifiers: list[Any] = []  # they were told when it was asked
        user, form = event["responded_by_user"], event["params_input"] or {}
        if user is None:  # the time is over
            return self._go_on(context, run, request)
        # Who answers over the API with the reason only has the body of this try before their eyes, hence its evidence.
        shown = str(form.get(EVIDENCE) or request.evidence)
        reason = str(form.get(REASON) or "")
        return self._settle(context, run, request, event["chosen_options"][0], reason, shown, user)

    def invitation(self, user: str = "") -> dict[str, Any]:
        """Give what people are told who are to decide; for one person, with a link of theirs where that is set up."""
        from mlops_provider.decision_link import link_for

        request = self.request
        if request is None:
            return {}
        told = {"question": self.subject, "evidence": self.address, "until": request.until, "needed": request.needed}
        link = link_for(request, user) if user else ""
        return {**told, "link": link} if link else told

    def _ask(self, context: Context, run: RunContext) -> tuple[Evidence, Request]:
        from mlops_provider.runtime.approval.evidence import gather, publish
        from mlops_provider.runtime.approval.request import Request, ask
        from mlops_provider.runtime.contract import now

        module, _, name = self.spec.partition(":")
        config: ApproveSpec = getattr(import_module(module), name).model_validate(self.config)
        inputs = resolve_inputs(self, context)
        models = [ref for ref in inputs.get("model", []) if isinstance(ref, ModelRef)]
        results = {name: results_of(context).find(name) for name in config.evidence}
        left_out = {name: found.why for name, found in results.items() if isinstance(found, Skip)}
        evidence = gather(run, config.evidence, models, left_out)
        report = publish(run, evidence)
        alone = self.decide is not None  # nobody else is asked, and the rules on people do not apply
        request = Request(
            workflow=self.workflow,
            run=run.run_id,
            phase=self.phase,
            evidence=report.digest,
            report=report.uri,
            models=evidence.models,
            approvers=() if alone else tuple(config.approvers),
            authors=() if alone or config.author_may_approve else evidence.authors,
            needed=1 if alone else config.approvals,
            reason=config.reason,
            asked=now(),
            until=_end(config.timeout),
        )
        return evidence, ask(run.store(), request)

    def _show(self, context: Context, evidence: Evidence, request: Request) -> None:
        """Set what Airflow's page shows and whom it lets answer."""
        self.subject = evidence.question
        self.address = approval_address(context["dag_run"].dag_id, evidence.run, self.phase)
        self.body = self._body(context, evidence, request)
        self.params = ParamsDict(_form(request.evidence, required=request.reason == "required"))
        self.assigned_users = [{"id": user, "name": user} for user in request.deciders()] or None

    def _body(self, context: Context, evidence: Evidence, request: Request) -> str:
        """Write the Markdown of the question."""
        parts = [f"**{self.workflow}**, run `{evidence.run}`: {evidence.started}."]
        if evidence.why:
            parts.append(f"Why this run exists: {evidence.why}")
        parts.append(f"About {request.about()}. [The evidence, and who has decided]({self.address})")
        parts.append(_rules(request))
        for each in evidence.checkpoints[:_MOST_IN_BODY]:
            address = record_address(context["dag_run"].dag_id, evidence.run, each["phase"])
            record = f"\n\n[The whole record of {each['phase']}]({address})" if each["type"] else ""
            parts.append(f"### {each['phase']}: {each['status']}\n\n{each['summary']}{record}")
        if len(evidence.checkpoints) > _MOST_IN_BODY:
            parts.append(f"{len(evidence.checkpoints) - _MOST_IN_BODY} more are shown with the evidence.")
        return "\n\n".join(parts)

    def _settle(
        self,
        context: Context,
        run: RunContext,
        request: Request,
        choice: str,
        reason: str,
        shown: str,
        user: Mapping[str, str] | None,
    ) -> Any:
        """Put an answer into the audit chain, and go on with what holds then."""
        from mlops_provider.runtime.approval.ledger import Decision, Tally, decide

        store = run.store()
        if Tally.read(store, request).status == "waiting":
            decision = Decision(
                choice=CHOICES[choice],  # type: ignore[arg-type] # Airflow refuses other options
                user=user["id"] if user else TERMINAL,
                name=user["name"] if user else TERMINAL,
                reason=reason,
                evidence=shown,
                via="airflow" if user else "terminal",
            )
            try:
                decide(store, request, decision)
            except DecisionRefusedError as err:
                if self.decide is not None:
                    raise AirflowFailException(str(err)) from err
                self.log.warning("the answer of %s was not taken: %s", decision.name, err)
        return self._go_on(context, run, request)

    def _go_on(self, context: Context, run: RunContext, request: Request) -> Any:
        """End where enough was decided, otherwise wait until the time is over."""
        from mlops_provider.runtime.approval.ledger import Tally, expire

        tally = Tally.read(run.store(), request)
        if tally.status == "expired":
            tally = expire(run.store(), request)
        if tally.status != "waiting":
            return self._finish(context, run, tally)
        if request.until:
            self.response_timeout = datetime.fromisoformat(request.until) - datetime.now(UTC)
        if tally.decisions:
            self.log.info("%s: %s", request.about(), tally.said())
            self.notifiers = []
        return super().execute(context)  # waits without a worker; Airflow 3.3 keeps the question as it was first asked

    def _finish(self, context: Context, run: RunContext, tally: Tally) -> dict[str, Any]:
        """Record how it ended; skip what follows unless it was approved."""
        from mlops_provider.runtime.records import note

        request, approved = tally.request, tally.status == "approved"
        last = tally.entries[-1]
        outputs = {"evidence": {"kind": "report", "uri": request.report, "digest": request.evidence}}
        uri = note(
            run,
            started=request.asked,
            status="succeeded" if approved else "rejected",
            summary=_summary(tally),
            config=self.config,
            outputs=outputs,
            details={
                "approved": approved,
                "status": tally.status,
                "by": last.payload["by"],
                "at": last.at,
                "request": request.digest,
                "evidence": request.evidence,
                "models": [dict(each) for each in request.models],
                "needed": request.needed,
                "authors": list(request.authors),
                "decisions": tally.to_list(),
                "entry": {"chain": self.workflow, "number": last.number, "hash": last.hash},
            },
        )
        self.log.info("%s\nrecord: %s", tally.said(), uri)
        option = self.APPROVE if approved else self.REJECT
        at = datetime.fromisoformat(last.at)
        event: dict[str, Any] = {
            "chosen_options": [option],
            "params_input": {},
            "responded_by_user": None,
            "responded_at": at,
        }
        super().execute_complete(context, event)
        return {"outputs": {}, "verdict": "passed" if approved else "blocked", "record": uri}


def _form(evidence: str = "", *, required: bool = False) -> dict[str, Param]:
    """Give the fields of Airflow's form; its buttons wait for every field that may not be empty."""
    only = {"enum": [evidence]} if evidence else {}
    kind: dict[str, Any] = {"type": "string", "minLength": 1} if required else {"type": ["null", "string"]}
    why = f"Why: stays on record. {'Every decision' if required else 'A rejection'} needs a reason."
    return {
        REASON: Param("" if required else None, **kind, source="task", description=why),
        EVIDENCE: Param(
            evidence, type="string", source="task", description="Digest of the evidence that is decided on.", **only
        ),
    }


def _end(timeout: timedelta | None) -> str:
    return (datetime.now(UTC) + timeout).isoformat(timespec="milliseconds") if timeout else ""


def _rules(request: Request) -> str:
    """Say who decides, how many, until when."""
    who = ", ".join(request.deciders()) or "whoever may edit the run"
    said = [f"{request.needed} must approve, one rejection rejects; who may: {who}."]
    if request.authors:
        said.append(f"Not the author: {', '.join(request.authors)}.")
    said.append(f"A {'decision' if request.reason == 'required' else 'rejection'} needs a reason.")
    if request.until:
        said.append(f"Without an answer until {request.until[:16].replace('T', ' ')} UTC it is rejected.")
    return " ".join(said)


def _summary(tally: Tally) -> str:
    """Say how it ended, and what everybody said."""
    said = tally.said()
    lines = [f"{said[0].upper()}{said[1:]}; about {tally.request.about()}.", ""]
    for entry in tally.decisions:
        at = entry.at[:16].replace("T", " ")
        lines.append(f"- {entry.by} {entry.kind} at {at} UTC{f': {entry.reason}' if entry.reason else ''}")
    return "\n".join(lines)
