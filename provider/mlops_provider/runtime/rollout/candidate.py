"""The candidate: the version that a run releases in steps, and the words under which the record knows that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from mlops_provider.refs import ModelRef, ServiceRef
from mlops_provider.runtime.deploy import deployable, require_registered
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.rollout.stages import Stage, stages_of
from mlops_provider.store.services import Change, now, read_service, service_history

if TYPE_CHECKING:
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.runtime.contract import Inputs, RunContext
    from mlops_provider.store.services import Action, Rollout, Service
    from mlops_provider.store.store import Store

_MARGIN = timedelta(minutes=15)
"""How long a release may be without anybody who looks after it: a worker that restarts, a retry."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a run releases: `version` as it is registered, `model` as the service knows it, in which stages."""

    config: ReleaseSpec
    context: RunContext
    store: Store
    version: ModelRef
    model: ModelRef
    stages: tuple[Stage, ...]

    @classmethod
    def of(cls, config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Self:
        """Make it from what the phase was given."""
        version, _ = deployable(inputs)
        require_registered(version)
        model = ModelRef(uri=version.uri, digest=version.digest, name=context.workflow, version=version.version)
        return cls(config, context, context.store(), version, model, tuple(stages_of(config)))

    @property
    def identity(self) -> str:
        """Who releases it: this phase of this run, in every attempt."""
        return self.context.identity

    @property
    def promotes(self) -> bool:
        """Whether it becomes the champion in the end; a shadow may only be reported."""
        return not (self.config.strategy == "shadow" and self.config.then == "report")

    def service(self) -> Service:
        """Read what runs."""
        return read_service(self.store, self.context.workflow, self.config.environment)

    def states(self) -> list[Service]:
        """Read all states that the service has been in."""
        return service_history(self.store, self.context.workflow, self.config.environment)

    def reserve(self, lasts: timedelta) -> None:
        """Reserve the promotion, or renew it where it would lapse within a step that lasts so long."""
        if self.promotes:
            longest = max((stage.lasts for stage in self.stages), default=timedelta(0))
            least = self._needs(lasts)
            self.promotion().reserve(self.config.wait, lasts=self._needs(longest) + _MARGIN, least=least)

    def give_up(self, why: str) -> None:
        """Give the reservation back, with the reason."""
        if self.promotes:
            self.promotion().give_up(why)

    def promotion(self) -> Promotion:
        """Give the promotion of the version."""
        return Promotion.of(self.context, self.version)

    def until(self, lasts: timedelta) -> str:
        """Say until when somebody must have looked after a step that lasts so long; one that stays open is kept."""
        end = datetime.now(UTC) + lasts + self.config.wait + _MARGIN
        return end.isoformat(timespec="milliseconds")

    def soon_forgotten(self, rollout: Rollout) -> bool:
        """Say whether a step has to be kept, lest others take it for one that nobody looks after."""
        return datetime.fromisoformat(rollout.until) - datetime.now(UTC) < _MARGIN / 2

    def id(self, what: str) -> str:
        """Give the id of a change: the same in every attempt."""
        return f"{self.identity}#{what}" if what else self.identity

    def change(self, what: str, action: Action, reason: str) -> Change:
        """Make a change of the service."""
        return Change(id=self.id(what), action=action, by=self.context.owner, at=now(), reason=reason)

    def steps_said(self) -> list[str]:
        """Give what was said of each step when it ended."""
        changes = [state.change for state in self.states() if state.change]
        mine = [change for change in changes if change.id.startswith(f"{self.identity}#")]
        return [change.reason for change in mine if change.id.endswith("#all") or "#step" in change.id]

    def service_ref(self, service: Service, url: str) -> ServiceRef:
        """Give the reference of the service as it runs."""
        live = service.primary
        return ServiceRef(
            uri=self.store.uri(service.key),
            digest=live.model.digest if live else "",
            name=service.name,
            version=live.version if live else "",
            revision=service.revision,
            url=url,
        )

    def _needs(self, lasts: timedelta) -> timedelta:
        return lasts + self.config.patience + self.config.wait + _MARGIN
