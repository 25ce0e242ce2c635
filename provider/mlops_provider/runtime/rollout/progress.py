"""How a release goes on: from the deployment record, one step at a time, whoever looks and however often.

Nothing is remembered outside the record: a process that dies anywhere is followed by another that reads where the
release stands. Each look either finds that there is time left, or takes the next step, or ends the release.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlops_provider.exceptions import (
    UNDONE,
    DataError,
    PromotionRefusedError,
    ReleaseRefusedError,
    ServiceError,
    ServiceFailedError,
)
from mlops_provider.runtime.aliases import actor_of
from mlops_provider.runtime.rollout import endings
from mlops_provider.runtime.rollout.candidate import Candidate
from mlops_provider.runtime.rollout.watch import Judged, judge
from mlops_provider.store import rollouts
from mlops_provider.store.service_reports import live_reports, wait_until_ready
from mlops_provider.store.services import Rollout, Service, now

if TYPE_CHECKING:
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.runtime.contract import Inputs, Outcome, RunContext

_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Waiting:
    """There is nothing to do yet: look again after some seconds."""

    seconds: float
    said: str


class Progress:
    """A release in steps, as one run makes it."""

    def __init__(self, config: ReleaseSpec, inputs: Inputs, context: RunContext) -> None:
        self.candidate = Candidate.of(config, inputs, context)
        self.config = config

    def look(self) -> Waiting | None:
        """Say how long there is nothing to do; None where there is. Changes nothing."""
        service = self.candidate.service()
        rollout = self._own(service)
        if rollout is None or rollout.step == 0 or self._failed(service):
            return None
        judged = self._judge(service, rollout)
        due = self._breaks(judged) or self.candidate.soon_forgotten(rollout)
        return None if due else self._waits(rollout, judged)

    def advance(self) -> Waiting | Outcome:
        """Take the step that is due; give how long to wait, or how the release ended.

        ReleaseRolledBackError when a rule did not hold, with the rule, its value and the number of requests.
        """
        candidate, states = self.candidate, self.candidate.states()
        back = rollouts.find_change(states, candidate.id("rolled_back"))
        if back is not None and back.change is not None:
            raise endings.rolled_back(candidate, back, back.change.reason)  # also where that was cut short
        service = candidate.service()
        if rollout := self._own(service):
            return self._go_on(service, rollout)
        if rollouts.find_change(states, candidate.id("all")):
            return endings.conclude(candidate, service)
        if done := rollouts.find_change(states, candidate.id("reported")):
            return endings.reported(candidate, done)
        if rollouts.begun(states, candidate.identity):
            endings.overtaken(candidate, service)
        return self._begin(service)

    def _begin(self, service: Service) -> Waiting | Outcome:
        candidate, stable = self.candidate, rollouts.without(service).primary
        if stable is None:
            raise ServiceFailedError(f"{service.name}: what was live is gone; start a new run")
        rollouts.require_free(service, candidate.identity)
        candidate.reserve(_NOTHING)
        rollout = Rollout(
            identity=candidate.identity,
            run=candidate.context.run_id,
            by=candidate.context.owner,
            strategy=self.config.strategy,
            candidate=candidate.model.version,
            stable=stable.version,
            since=now(),
            until=candidate.until(_NOTHING),
            steps=len(candidate.stages),
        )
        shadow = self.config.strategy == "shadow"
        change = candidate.change("", "release", str(actor_of(candidate.context).reason))
        try:
            begun = rollouts.start(candidate.store, service, candidate.model, rollout, change, shadow=shadow)
        except ReleaseRefusedError as err:
            candidate.give_up(err.message)
            raise
        return self._load(begun)

    def _load(self, service: Service) -> Waiting | Outcome:
        """Wait until every server has the version in memory; where one cannot, nothing stays."""
        candidate = self.candidate
        try:
            wait_until_ready(candidate.store, service, candidate.model.digest, self.config.wait.total_seconds())
        except BaseException as err:
            why = err.message if isinstance(err, ServiceError) else "the wait for the servers was cut short"
            change = candidate.change("undone", "restore", why)
            back = rollouts.undo(candidate.store, service, candidate.identity, change).primary
            candidate.give_up(why)
            if not isinstance(err, ServiceError):
                raise
            before = f"version {back.version} runs {UNDONE}" if back else f"nothing runs, {UNDONE}"
            raise type(err)(f"{err.message}; {before}", hint=err.hint) from err
        return self._step(service, 1, "every server has the version in memory")

    def _go_on(self, service: Service, rollout: Rollout) -> Waiting | Outcome:
        """Judge the step, then wait, go to the next, or end the release."""
        candidate = self.candidate
        if rollout.step == 0:
            return self._load(service)
        if why := self._failed(service):
            raise endings.roll_back_step(candidate, service, rollout, why)
        try:
            judged = self._judge(service, rollout)
        except DataError as err:
            raise endings.roll_back_step(candidate, service, rollout, err.message) from err
        about = {"metrics": judged.metrics, "rules": judged.verdict.to_dict()["rules"]}
        window = f"from {rollout.since} to {now()}"
        count = f"{judged.metrics.get('requests', 0):.0f} requests {window}"
        if self._breaks(judged):
            raise endings.roll_back_step(candidate, service, rollout, f"{judged.broken} ({count})", about)
        if waiting := self._waits(rollout, judged):
            self._keep(service, rollout, judged)
            return waiting
        if judged.open and candidate.promotes:
            missing = f"the step cannot be judged: {'; '.join(judged.open)} ({count})"
            raise endings.roll_back_step(candidate, service, rollout, missing, about)
        held = f"{judged.sentence()} ({window})"
        if rollout.step < len(candidate.stages):
            return self._step(service, rollout.step + 1, held)
        if not candidate.promotes:
            return endings.report(candidate, service, judged, held)
        return endings.conclude(candidate, self._give_all(service, held))

    def _step(self, service: Service, number: int, held: str) -> Waiting:
        """Divide the traffic as the step says; its time begins now."""
        candidate, stage, rollout = self.candidate, self.candidate.stages[number - 1], self._own(service)
        if rollout is None:
            endings.overtaken(candidate, service)
        try:
            candidate.reserve(stage.lasts)
        except PromotionRefusedError as err:
            raise endings.roll_back_step(candidate, service, rollout, err.message) from err
        change = candidate.change(f"step{number}", "weights", held)
        shadow = self.config.strategy == "shadow"
        weights = {rollout.stable: 100} if shadow else stage.weights(rollout.candidate, rollout.stable)
        until = candidate.until(stage.lasts)
        try:
            rollouts.step(candidate.store, service, candidate.identity, number, weights, until, change)
        except ReleaseRefusedError:
            endings.overtaken(candidate, candidate.service())
        wait = min(stage.lasts, self.config.every)
        said = f"step {number} of {len(candidate.stages)} ({stage}) begins: {held}"
        return Waiting(wait.total_seconds(), said)

    def _keep(self, service: Service, rollout: Rollout, judged: Judged) -> None:
        """Write down that somebody looks after a step that stays open."""
        candidate = self.candidate
        if candidate.soon_forgotten(rollout):
            why = f"{rollout.said()} stays open: {'; '.join(judged.open)}"
            change = candidate.change(f"kept{service.revision}", "weights", why)
            rollouts.keep(candidate.store, service, candidate.identity, candidate.until(_NOTHING), change)

    def _give_all(self, service: Service, held: str) -> Service:
        """Give the version all traffic."""
        candidate, change = self.candidate, self.candidate.change("all", "release", held)
        version, alternate = candidate.model.version, self.config.alternate
        try:
            return rollouts.finish(candidate.store, service, candidate.identity, version, change, alternate=alternate)
        except ReleaseRefusedError:
            endings.overtaken(candidate, candidate.service())

    def _own(self, service: Service) -> Rollout | None:
        """Give the release that is under way, if it is this one."""
        rollout = service.rollout
        return rollout if rollout is not None and rollout.identity == self.candidate.identity else None

    def _breaks(self, judged: Judged) -> bool:
        """Say whether a rule ends the release; what is only reported goes on to the end of its time."""
        return bool(judged.broken) and self.candidate.promotes

    def _waits(self, rollout: Rollout, judged: Judged) -> Waiting | None:
        """Say how long to wait: for the step's time, or for what cannot be judged yet; None where the step is over."""
        stage, every = self.candidate.stages[rollout.step - 1], self.config.every
        left = stage.lasts - (datetime.now(UTC) - datetime.fromisoformat(rollout.since))
        where = f"{rollout.said()} ({stage}): {judged.sentence()}"
        if left > _NOTHING:
            shown = timedelta(seconds=round(left.total_seconds()))
            return Waiting(min(left, every).total_seconds(), f"{where}; {shown} left")
        if judged.open and left > -self.config.patience:
            return Waiting(every.total_seconds(), f"{where}; still open: {'; '.join(judged.open)}")
        return None

    def _judge(self, service: Service, rollout: Rollout) -> Judged:
        known, since = service.named(), datetime.fromisoformat(rollout.since)
        live = known.get(rollout.stable)
        return judge(self.config, self.candidate.context, known[rollout.candidate], live, since)

    def _failed(self, service: Service) -> str:
        """Say which live servers cannot run the version; a server that is down is waited for."""
        digest = self.candidate.model.digest
        reports = live_reports(self.candidate.store, service.workflow, service.environment)
        said = [f"{one.server_id}: {one.status(digest)[1]}" for one in reports if one.status(digest)[0] == "failed"]
        return f"servers cannot run it: {'; '.join(said)}" if said else ""
