"""How a release goes on: from the deployment record, one step at a time, whoever looks and however often.

Nothing is remembered outside the record: a process that dies anywhere is followed by another that reads where the
release stands. Each look either finds that there is time left, or takes the next step, or ends the release.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import (
    UNDONE,
    DataError,
    PromotionRefusedError,
    ReleaseRefusedError,
    ReleaseRolledBackError,
    ServiceError,
)
from mlops_provider.refs import ModelRef, ServiceRef
from mlops_provider.runtime.aliases import actor_of, mirror_aliases
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.deploy import deployable, require_registered
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.rollback import note_rollback
from mlops_provider.runtime.rollout.stages import stages_of
from mlops_provider.runtime.rollout.watch import Judged, judge
from mlops_provider.store import rollouts
from mlops_provider.store.service_reports import live_reports, wait_until_ready
from mlops_provider.store.services import (
    Action,
    Change,
    Rollout,
    Service,
    now,
    read_service,
    roll_back,
    service_history,
)

if TYPE_CHECKING:
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.store.store import Store

_MARGIN = timedelta(minutes=15)
"""How long a release may be without anybody who looks after it: a worker that restarts, a retry."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """There is nothing to do yet: look again after some seconds."""

    seconds: float
    said: str


class Progress:
    """A release in steps, as one run makes it."""

    def __init__(self, config: ReleaseSpec, inputs: Inputs, context: RunContext) -> None:
        self.config = config
        self.context = context
        model, _ = deployable(inputs)
        require_registered(model)
        self.version = model
        self.model = ModelRef(uri=model.uri, digest=model.digest, name=context.workflow, version=model.version)
        self.store: Store = context.store()
        self.stages = stages_of(config)

    def service(self) -> Service:
        """Read what runs."""
        return read_service(self.store, self.context.workflow, self.config.environment)

    def look(self) -> Waiting | None:
        """Say how long there is nothing to do; None where there is. Changes nothing."""
        service = self.service()
        rollout = service.rollout
        if rollout is None or rollout.identity != self.context.identity or rollout.step == 0:
            return None
        stage = self.stages[rollout.step - 1]
        if self._failed(service):
            return None
        judged = self._judge(service, rollout)
        passed = datetime.now(UTC) - datetime.fromisoformat(rollout.since)
        left = stage.lasts - passed
        if (
            (judged.broken and self._promotes)
            or (left <= timedelta(0) and not judged.open)
            or left <= -self.config.patience
        ):
            return None
        every = self.config.every
        wait = min(left, every) if left > timedelta(0) else every
        for_what = f"{_shown(left)} left" if left > timedelta(0) else f"still open: {'; '.join(judged.open)}"
        return Waiting(wait.total_seconds(), f"{rollout.said()} ({stage}): {judged.sentence()}; {for_what}")

    def advance(self) -> Waiting | Outcome:
        """Take the step that is due; give how long to wait, or how the release ended.

        ReleaseRolledBackError when a rule did not hold, with the rule, its value and the number of requests.
        """
        states = service_history(self.store, self.context.workflow, self.config.environment)
        ended = rollouts.find_change(states, self._id("rolled_back"))
        if ended is not None and ended.change is not None:
            raise self._recorded(ended, ended.change.reason, {})  # also where that was cut short
        service = self.service()
        if service.rollout is not None and service.rollout.identity == self.context.identity:
            return self._go_on(service, service.rollout)
        if rollouts.find_change(states, self._id("all")) is not None:
            return self._conclude(service, states)
        if done := rollouts.find_change(states, self._id("reported")):
            return self._reported(done)
        if rollouts.begun(states, self.context.identity):
            self._overtaken(service)
        return self._begin(service)

    def _begin(self, service: Service) -> Waiting | Outcome:
        stable = rollouts.without(service).primary
        assert stable is not None
        rollouts.require_free(service, self.context.identity)
        if self._promotes:
            self._promotion().reserve(self.config.wait, lasts=self._longest())
        since = now()
        rollout = Rollout(
            identity=self.context.identity,
            run=self.context.run_id,
            by=self.context.owner,
            strategy=self.config.strategy,
            candidate=self.model.version,
            stable=stable.version,
            since=since,
            until=self._until(timedelta(0)),
            steps=len(self.stages),
        )
        shadow = self.config.strategy == "shadow"
        change = self._change("", "release", str(actor_of(self.context).reason))
        service = rollouts.start(self.store, service, self.model, rollout, change, shadow=shadow)
        return self._load(service)

    def _load(self, service: Service) -> Waiting | Outcome:
        """Wait until every server has the version in memory; where one cannot, nothing stays."""
        try:
            wait_until_ready(self.store, service, self.model.digest, self.config.wait.total_seconds())
        except BaseException as err:
            why = err.message if isinstance(err, ServiceError) else "the wait for the servers was cut short"
            change = Change(
                id=f"{self.context.identity}#undone", action="restore", by=self.context.owner, at=now(), reason=why
            )
            back = rollouts.undo(self.store, service, self.context.identity, change).primary
            if self._promotes:
                self._promotion().give_up(why)
            if not isinstance(err, ServiceError):
                raise
            before = f"version {back.version} runs {UNDONE}" if back else f"nothing runs, {UNDONE}"
            raise type(err)(f"{err.message}; {before}", hint=err.hint) from err
        return self._step(service, 1, "every server has the version in memory")

    def _go_on(self, service: Service, rollout: Rollout) -> Waiting | Outcome:
        if rollout.step == 0:
            return self._load(service)
        if why := self._failed(service):
            raise self._roll_back(service, rollout, why, {})
        try:
            judged = self._judge(service, rollout)
        except DataError as err:
            raise self._roll_back(service, rollout, err.message, {}) from err
        stage = self.stages[rollout.step - 1]
        about = {"metrics": judged.metrics, "rules": judged.verdict.to_dict()["rules"]}
        window = f"from {rollout.since} to {now()}"
        count = f"{judged.metrics.get('requests', 0):.0f} requests {window}"
        report = not self._promotes
        if judged.broken and not report:
            raise self._roll_back(service, rollout, f"{judged.broken} ({count})", about)
        left = stage.lasts - (datetime.now(UTC) - datetime.fromisoformat(rollout.since))
        if left > timedelta(0):
            return Waiting(min(left, self.config.every).total_seconds(), f"{rollout.said()}: {judged.sentence()}")
        if judged.open:
            if left <= -self.config.patience and not report:
                missing = f"the step cannot be judged: {'; '.join(judged.open)} ({count})"
                raise self._roll_back(service, rollout, missing, about)
            if left > -self.config.patience:
                return Waiting(self.config.every.total_seconds(), f"{rollout.said()}: {'; '.join(judged.open)}")
        held = f"{judged.sentence()} ({window})"
        if rollout.step < len(self.stages):
            return self._step(service, rollout.step + 1, held)
        return self._finish(service, held) if self._promotes else self._report(service, judged, held)

    def _step(self, service: Service, number: int, held: str) -> Waiting:
        """Divide the traffic as the step says; its time begins now."""
        stage = self.stages[number - 1]
        rollout = service.rollout
        assert rollout is not None
        if self._promotes:
            try:
                self._promotion().reserve(self.config.wait, lasts=self._longest(), least=self._needs(stage.lasts))
            except PromotionRefusedError as err:
                raise self._roll_back(service, rollout, err.message, {}) from err
        change = self._change(f"step{number}", "weights", held)
        weights = stage.weights(rollout.candidate, rollout.stable)
        if self.config.strategy == "shadow":
            weights = {rollout.stable: 100}
        identity, until = self.context.identity, self._until(stage.lasts)
        rollouts.step(self.store, service, identity, number, weights, until, change)
        wait = min(stage.lasts, self.config.every)
        return Waiting(wait.total_seconds(), f"step {number} of {len(self.stages)} ({stage}) begins: {held}")

    def _finish(self, service: Service, held: str) -> Outcome:
        """Give it all traffic; the champion moves once every server says that it is healthy."""
        change = self._change("all", "release", held)
        alternate = self.config.alternate
        identity = self.context.identity
        service = rollouts.finish(self.store, service, identity, self.model.version, change, alternate=alternate)
        return self._conclude(service, service_history(self.store, service.workflow, service.environment))

    def _conclude(self, service: Service, states: list[Service]) -> Outcome:
        self._require_live(service)
        promotion = self._promotion()
        try:
            reports = wait_until_ready(self.store, service, self.model.digest, self.config.wait.total_seconds())
            ref = self._ref(service, reports[0].url)
            steps = self._steps(states)
            standing = promotion.complete(
                {"service": ref.name, "revision": ref.revision, "strategy": self.config.strategy, "steps": steps}
            )
        except (ServiceError, PromotionRefusedError) as err:
            raise self._take_back(service, err.message) from err
        odd = mirror_aliases(self.context, promotion.home, promotion.name)
        before = f"version {service.previous.version}" if service.previous else "nothing"
        summary = [f"Version {ref.version} has all traffic of `{ref.name}` (before: {before}) and is the champion."]
        summary += [f"\n\n- {said}" for said in steps]
        details = {
            "name": promotion.name,
            "url": ref.url,
            "previous": service.previous.version if service.previous else None,
            "entry": standing.witness(promotion.home),
            "steps": steps,
        }
        return Outcome(outputs={"service": ref}, summary=" ".join([*summary, *odd]), details=details)

    def _report(self, service: Service, judged: Judged, held: str) -> Outcome:
        """End a shadow that is only reported."""
        change = self._change("reported", "shadow", held)
        service = rollouts.undo(self.store, service, self.context.identity, change)
        return self._reported(service, judged)

    def _reported(self, service: Service, judged: Judged | None = None) -> Outcome:
        said = service.change.reason if service.change else ""
        live = service.primary.version if service.primary else "none"
        summary = f"Version {self.model.version} was asked in the shadow of version {live}: {said}."
        return Outcome(
            outputs={"service": self._ref(service, "")},
            metrics=judged.metrics if judged else {},
            verdict=judged.verdict if judged else None,
            summary=summary,
            details={"name": "", "shadow": said},
        )

    def _roll_back(self, service: Service, rollout: Rollout, why: str, about: dict[str, Any]) -> ReleaseRolledBackError:
        """Give all traffic back at once, then say so in the audit chain; give the error that says it to people."""
        where = f"{rollout.said()}, {self.stages[rollout.step - 1]}" if rollout.step else rollout.said()
        reason = f"{where}: {why}"
        change = self._change("rolled_back", "rollback", reason)
        after = rollouts.undo(self.store, service, self.context.identity, change)
        return self._recorded(after, reason, {"step": rollout.step, **about})

    def _take_back(self, service: Service, why: str) -> ReleaseRolledBackError:
        """Give all traffic back after the last step."""
        reason = f"{self.config.strategy}, after the last step: {why}"
        change = self._change("rolled_back", "rollback", reason)
        if service.previous is None:
            return ReleaseRolledBackError(reason)
        after = roll_back(self.store, service.workflow, service.environment, change, to=service.previous)
        return self._recorded(after, reason, {})

    def _recorded(self, after: Service, reason: str, about: dict[str, Any]) -> ReleaseRolledBackError:
        live = after.primary.version if after.primary else None
        actor = replace(actor_of(self.context), reason=reason)
        note_rollback(self.store, after, actor, {"version": live, "from": self.model.version, **about})
        if self._promotes:
            self._promotion().give_up(reason)
        return self._said_rolled_back(after, reason)

    def _said_rolled_back(self, after: Service, reason: str) -> ReleaseRolledBackError:
        live = f"version {after.primary.version} runs" if after.primary else "nothing runs"
        return ReleaseRolledBackError(
            f"version {self.model.version} of {after.name} was rolled back, {reason}; {live} {UNDONE}",
            hint="see its history with 'mlops services show'; a new run may release another version",
        )

    def _judge(self, service: Service, rollout: Rollout) -> Judged:
        known = service.named()
        since = datetime.fromisoformat(rollout.since)
        return judge(self.config, self.context, known[rollout.candidate], known.get(rollout.stable), since)

    def _failed(self, service: Service) -> str:
        """Say which live servers cannot run the version; a server that is down is waited for."""
        said = [
            f"{report.server_id}: {report.status(self.model.digest)[1]}"
            for report in live_reports(self.store, service.workflow, service.environment)
            if report.status(self.model.digest)[0] == "failed"
        ]
        return f"servers cannot run it: {'; '.join(said)}" if said else ""

    def _require_live(self, service: Service) -> None:
        if service.primary is None or service.primary.version != self.model.version:
            self._overtaken(service)

    def _overtaken(self, service: Service) -> None:
        change = service.change
        if self._promotes:
            self._promotion().give_up("somebody else changed the service")
        said = f"{change.action} by '{change.by}' at {change.at}" if change else "another change"
        live = f"version {service.primary.version}" if service.primary else "nothing"
        raise ReleaseRefusedError(
            f"{service.name}: this release was made before and then followed by a {said}; {live} stays",
            hint="start a new run to release the version",
        )

    def _steps(self, states: list[Service]) -> list[str]:
        """Give what was said of each step when it ended."""
        mine = [
            state.change for state in states if state.change and state.change.id.startswith(f"{self.context.identity}#")
        ]
        return [change.reason for change in mine if change.action in {"weights", "release"}]

    def _ref(self, service: Service, url: str) -> ServiceRef:
        live = service.primary
        return ServiceRef(
            uri=self.store.uri(service.key),
            digest=live.model.digest if live else "",
            name=service.name,
            version=live.version if live else "",
            revision=service.revision,
            url=url,
        )

    @property
    def _promotes(self) -> bool:
        return not (self.config.strategy == "shadow" and self.config.then == "report")

    def _promotion(self) -> Promotion:
        return Promotion.of(self.context, self.version)

    def _longest(self) -> timedelta:
        """Give for how long the promotion is reserved: as long as the longest step may last."""
        return self._needs(max((stage.lasts for stage in self.stages), default=timedelta(0))) + _MARGIN

    def _needs(self, lasts: timedelta) -> timedelta:
        return lasts + self.config.patience + self.config.wait + _MARGIN

    def _until(self, lasts: timedelta) -> str:
        return (datetime.now(UTC) + self._needs(lasts)).isoformat(timespec="milliseconds")

    def _id(self, what: str) -> str:
        return f"{self.context.identity}#{what}" if what else self.context.identity

    def _change(self, what: str, action: Action, reason: str) -> Change:
        return Change(id=self._id(what), action=action, by=self.context.owner, at=now(), reason=reason)


def _shown(time: timedelta) -> str:
    return str(timedelta(seconds=round(time.total_seconds())))
