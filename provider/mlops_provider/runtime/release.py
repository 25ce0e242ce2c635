"""Phase `release`: give a model version the production traffic, then make it the champion."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import PromotionRefusedError, ReleaseRefusedError
from mlops_provider.runtime.aliases import mirror_aliases
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.deploy import begin_elsewhere, bring_up, deployable, require_registered, take_back
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.required_evidence import require_evidence
from mlops_provider.runtime.rollout.abandon import end_abandoned
from mlops_provider.runtime.rollout.freeze import held_back
from mlops_provider.runtime.rollout.progress import Progress, Waiting
from mlops_provider.store import rollouts
from mlops_provider.store.services import Change, now, read_service, service_history, set_alternate

if TYPE_CHECKING:
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.store.services import Service

_FREEZE_SECONDS = 300.0
"""How often a release that waits for the end of a freeze looks whether it still has to."""

_CLUSTER_SECONDS = 10.0
"""Until a rollout in a cluster is looked at again."""
log = logging.getLogger(__name__)


def run(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Release, and wait in this process for as long as its steps last."""
    while True:
        found = advance(config, inputs, context)
        if isinstance(found, Outcome):
            return found
        log.info("%s", found.said)
        time.sleep(found.seconds)


def advance(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Waiting | Outcome:
    """Do what is due; give how long to wait, or how it ended."""
    if waiting := held(config, context):
        return waiting
    evidence = _evidence(config, inputs, context)
    service = end_abandoned(context, read_service(context.store(), context.workflow, config.environment))
    if config.strategy == "all_at_once" or _is_alone(service, deployable(inputs)[0], context):
        found = _all_at_once(config, inputs, context)
    else:
        found = Progress(config, inputs, context).advance()
    if evidence and isinstance(found, Outcome):
        return replace(found, details={**found.details, "policy": evidence})
    return found


def _evidence(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> dict[str, Any]:
    """Give what proves that the policy of the risk class is met; ReleaseRefusedError names what is missing."""
    try:
        return require_evidence(context, config.risk, deployable(inputs)[0], config.model_dump(mode="json"))
    except ReleaseRefusedError:
        states = service_history(context.store(), context.workflow, config.environment)
        if rollouts.begun(states, context.identity):
            return {}  # what was begun under another policy goes on
        raise


def held(config: ReleaseSpec, context: RunContext) -> Waiting | None:
    """Say how long a release waits before it begins, because releases are frozen."""
    frozen = held_back(config, context)
    if frozen is None:
        return None
    left = (frozen.until - datetime.now(UTC)).total_seconds()
    return Waiting(max(0.0, min(left, _FREEZE_SECONDS)), str(frozen))


def _is_alone(service: Service, model: ModelRef, context: RunContext) -> bool:
    """Say whether there is nothing to release beside: no version is live, or it is this one."""
    if service.rollout is not None and service.rollout.identity == context.identity:
        return False
    if service.change is not None and service.change.id.startswith(f"{context.identity}#"):
        return False  # this release moved it
    live = rollouts.without(service).primary
    return live is None or (live.version == model.version and live.model.digest == model.digest)


def _all_at_once(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Waiting | Outcome:
    """Reserve the promotion, change the record once per run, wait for the servers, and only then complete it."""
    model, _ = deployable(inputs)
    require_registered(model)
    rollouts.require_free(read_service(context.store(), context.workflow, config.environment), context.identity)
    promotion = Promotion.of(context, model)
    promotion.reserve(config.wait)
    try:
        placement = begin_elsewhere(config, inputs, context, "release")
        if placement is not None and now() < placement.until:
            return Waiting(_CLUSTER_SECONDS, f"the cluster brings version {model.version} up, until {placement.until}")
        ref, url, service = bring_up(config, inputs, context, "release")
    except BaseException as err:
        promotion.give_up(str(err) or type(err).__name__)
        raise
    try:
        standing = promotion.complete({"service": ref.name, "revision": ref.revision})
    except PromotionRefusedError as err:
        take_back(service, context, err.message)
        raise
    _let_stand_by(config, context, service)
    odd = mirror_aliases(context, promotion.home, promotion.name)
    previous = service.previous.version if service.previous else None
    before = f"version {previous}" if previous else "nothing"
    summary = f"Version {ref.version} has all traffic of `{ref.name}` (before: {before}) and is the champion."
    details = {"name": promotion.name, "url": url, "previous": previous, "entry": standing.witness(promotion.home)}
    return Outcome(outputs={"service": ref}, summary=" ".join([summary, *odd]), details=details)


def _let_stand_by(config: ReleaseSpec, context: RunContext, service: Service) -> None:
    """Let the version before stand by, or nobody, where that is asked for."""
    wanted = rollouts.with_alternate(service, config.alternate, service.previous)
    if wanted.alternate == service.alternate:
        return
    change = Change(id=f"{context.identity}#alternate", action="alternate", by=context.owner, at=now())
    alternate = wanted.alternate.version if wanted.alternate else None
    set_alternate(context.store(), service.workflow, service.environment, alternate, change)
