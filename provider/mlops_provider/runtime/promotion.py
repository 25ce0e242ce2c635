"""The promotion of one version by one run: judged against a champion, reserved, completed or given up."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import MlopsError, PromotionRefusedError
from mlops_provider.runtime.aliases import actor_of, adopt_champion
from mlops_provider.runtime.lineage import approvals_of, run_evidence, verdicts_of
from mlops_provider.store.model_versions import claim_name, read_version
from mlops_provider.store.promotions import Judgement, give_up, promote, reserve
from mlops_provider.store.standing import Actor, Holder, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.records import Record

_MARGIN = timedelta(minutes=1)
_POLL_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A version that is to become the champion of `name`, whose history is in the chain of `home`."""

    context: RunContext
    home: str
    name: str
    version: Holder
    actor: Actor

    @classmethod
    def of(cls, context: RunContext, model: ModelRef) -> Self:
        """Prepare the promotion of a registered version."""
        name, actor = model.name or context.workflow, actor_of(context)
        home = claim_name(context.store(), name, context.workflow)
        return cls(context=context, home=home, name=name, version=Holder.of(context.store(), model, actor), actor=actor)

    def reserve(self, wait: timedelta, *, lasts: timedelta | None = None, least: timedelta = timedelta(0)) -> None:
        """Reserve it for as long as servers may take and a minute; while another is under way, wait for its end.

        `lasts` is how long a release in steps needs it; one that is held already is renewed where `least` is not left
        of it. PromotionRefusedError when the champion is no longer the one that the version was judged against, when
        people approved another version in this run, or when another promotion takes longer than this one's servers may.
        """
        refuse_unapproved(run_evidence(self.context), self.name, self.version)
        adopt_champion(self.context, self.home, self.name)
        judged = judgement_of(self.context, self.name, self.version)
        waiting_for, deadline = "", time.monotonic() + (wait + _MARGIN).total_seconds()
        while True:
            store = self.context.store()
            standing = reserve(
                store,
                self.home,
                self.name,
                self.version,
                self.actor,
                judged=judged,
                lasts=lasts or wait + _MARGIN,
                least=least,
            )
            other = standing.reserved
            if other is None or other.identity == self.actor.identity or self._is(standing.champion):
                return
            if time.monotonic() > deadline:
                raise PromotionRefusedError(
                    f"version {other.version} of '{self.name}' is being promoted by run {other.run} of '{other.by}', "
                    f"at the longest until {standing.until}",
                    hint="wait for its end, then start a new run: this one was judged against another champion",
                )
            if other.identity != waiting_for:
                log.info("version %s is being promoted by run %s, until %s", other.version, other.run, standing.until)
                waiting_for = other.identity
            time.sleep(_POLL_SECONDS)

    def complete(self, payload: dict[str, Any]) -> Standing:
        """Make the version the champion; give how the name stands then."""
        records = run_evidence(self.context)
        evidence = {"approvals": approvals_of(records), "verdicts": verdicts_of(records)}
        return promote(self.context.store(), self.home, self.name, self.version, self.actor, {**evidence, **payload})

    def give_up(self, why: str) -> None:
        """Give the reservation back; where even that fails, it lapses."""
        with suppress(MlopsError):
            give_up(self.context.store(), self.home, self.name, self.version, self.actor, why)

    def _is(self, champion: Holder | None) -> bool:
        return champion is not None and champion.version == self.version.version


def judgement_of(context: RunContext, name: str, version: Holder) -> Judgement | None:
    """Say against which champion a version was judged: by the run's latest evaluation that compared it.

    Without one, by what was champion when it was registered; None where nobody knows.
    """
    for record in sorted(run_evidence(context), key=lambda record: record["ended"], reverse=True):
        if judged := _compared(record, name, version.digest):
            return judged
    document = read_version(context.store(), name, version.version)
    return Judgement(**document["champion"]) if document else None


def refuse_unapproved(records: Iterable[Record], name: str, version: Holder) -> None:
    """Raise PromotionRefusedError where an approval of the run was given to other bytes of this name."""
    for record in records:
        if record["phase_type"] != "approve":
            continue
        for model in record["details"].get("models", []):
            if model["name"] == name and model["digest"] != version.digest:
                raise PromotionRefusedError(
                    f"{record['phase']} approved version {model['version']} of {name} ({model['digest'][:12]}), "
                    f"and version {version.version} ({version.digest[:12]}) is to be released",
                    hint="clear the approval too: people decide on what is released",
                )


def _compared(record: Record, name: str, digest: str) -> Judgement | None:
    against = (record.get("details") or {}).get("judged_against")
    if record["phase_type"] != "evaluate" or not against or against["name"] != name:
        return None
    if digest not in {ref["digest"] for ref in record["inputs"].get("model", [])}:
        return None
    return Judgement(against["version"], against["digest"])
