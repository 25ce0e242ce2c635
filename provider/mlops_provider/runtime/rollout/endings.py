"""How a release in steps ends: as the champion, as a report, taken back, or overtaken by somebody's change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from mlops_provider.exceptions import (
    UNDONE,
    PromotionRefusedError,
    ReleaseRefusedError,
    ReleaseRolledBackError,
    ServiceError,
)
from mlops_provider.runtime.aliases import actor_of, mirror_aliases
from mlops_provider.runtime.contract import Outcome
from mlops_provider.store import rollouts
from mlops_provider.store.service_chain import note_change
from mlops_provider.store.service_reports import wait_until_ready
from mlops_provider.store.services import roll_back

if TYPE_CHECKING:
    from mlops_provider.runtime.rollout.candidate import Candidate
    from mlops_provider.runtime.rollout.watch import Judged
    from mlops_provider.store.services import Rollout, Service


def conclude(candidate: Candidate, service: Service) -> Outcome:
    """Make the version that has all traffic the champion, once every server says that it is healthy."""
    if service.primary is None or service.primary.version != candidate.model.version:
        overtaken(candidate, service)
    promotion = candidate.promotion()
    try:
        wait = candidate.config.wait.total_seconds()
        reports = wait_until_ready(candidate.store, service, candidate.model.digest, wait)
        ref, steps = candidate.service_ref(service, reports[0].url), candidate.steps_said()
        about = {"service": ref.name, "revision": ref.revision, "strategy": candidate.config.strategy, "steps": steps}
        standing = promotion.complete(about)
    except (ServiceError, PromotionRefusedError) as err:
        raise _taken_back(candidate, service, err.message) from err
    odd = mirror_aliases(candidate.context, promotion.home, promotion.name)
    previous = service.previous.version if service.previous else None
    before = f"version {previous}" if previous else "nothing"
    summary = [f"Version {ref.version} has all traffic of `{ref.name}` (before: {before}) and is the champion."]
    details = {
        "name": promotion.name,
        "url": ref.url,
        "previous": previous,
        "entry": standing.witness(promotion.home),
        "steps": steps,
    }
    said = " ".join([*summary, *(f"\n\n- {step}" for step in steps), *odd])
    return Outcome(outputs={"service": ref}, summary=said, details=details)


def report(candidate: Candidate, service: Service, judged: Judged, held: str) -> Outcome:
    """End a shadow that is only reported."""
    change = candidate.change("reported", "shadow", held)
    return reported(candidate, rollouts.undo(candidate.store, service, candidate.identity, change), judged)


def reported(candidate: Candidate, service: Service, judged: Judged | None = None) -> Outcome:
    """Give the outcome of a shadow that was reported."""
    said = service.change.reason if service.change else ""
    live = service.primary.version if service.primary else "none"
    return Outcome(
        outputs={"service": candidate.service_ref(service, "")},
        metrics=judged.metrics if judged else {},
        verdict=judged.verdict if judged else None,
        summary=f"Version {candidate.model.version} was asked in the shadow of version {live}: {said}.",
        details={"name": "", "shadow": said},
    )


def roll_back_step(
    candidate: Candidate, service: Service, rollout: Rollout, why: str, about: dict[str, Any] | None = None
) -> ReleaseRolledBackError:
    """Give all traffic back at once, then say so in the audit chain; give the error that says it to people."""
    where = f"{rollout.said()}, {candidate.stages[rollout.step - 1]}" if rollout.step else rollout.said()
    reason = f"{where}: {why}"
    change = candidate.change("rolled_back", "rollback", reason)
    after = rollouts.undo(candidate.store, service, candidate.identity, change)
    return rolled_back(candidate, after, reason, {"step": rollout.step, **(about or {})})


def rolled_back(
    candidate: Candidate, after: Service, reason: str, about: dict[str, Any] | None = None
) -> ReleaseRolledBackError:
    """Complete what follows a rollback, once; give the error."""
    live = after.primary.version if after.primary else None
    actor = replace(actor_of(candidate.context), reason=reason)
    payload = {"version": live, "from": candidate.model.version, **(about or {})}
    note_change(candidate.store, after, actor, "rolled_back", payload)
    candidate.give_up(reason)
    runs = f"version {live} runs" if live else "nothing runs"
    return ReleaseRolledBackError(
        f"version {candidate.model.version} of {after.name} was rolled back, {reason}; {runs} {UNDONE}",
        hint="see its history with 'mlops services show'; a new run may release another version",
    )


def overtaken(candidate: Candidate, service: Service) -> NoReturn:
    """Refuse to go on with a release that somebody's change has ended."""
    candidate.give_up("somebody else changed the service")
    change = service.change
    said = f"{change.action} by '{change.by}' at {change.at}" if change else "another change"
    live = f"version {service.primary.version}" if service.primary else "nothing"
    raise ReleaseRefusedError(
        f"{service.name}: this release was made before and then followed by a {said}; {live} stays",
        hint="start a new run to release the version",
    )


def _taken_back(candidate: Candidate, service: Service, why: str) -> ReleaseRolledBackError:
    """Give all traffic back after the last step."""
    reason = f"{candidate.config.strategy}, after the last step: {why}"
    if service.previous is None:
        return ReleaseRolledBackError(reason)
    change = candidate.change("rolled_back", "rollback", reason)
    after = roll_back(candidate.store, service.workflow, service.environment, change, to=service.previous)
    return rolled_back(candidate, after, reason)
