"""Phase `release`: give a model version the production traffic, then make it the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import PromotionRefusedError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.aliases import mirror_aliases
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.deploy import bring_up, require_registered
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.store.services import restore

if TYPE_CHECKING:
    from mlops_dag_factory.spec.release import ReleaseSpec


def run(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Reserve the promotion, change the record once per run, wait for the servers, and only then complete it."""
    model: ModelRef = one(inputs, "model", ModelRef)
    require_registered(model)
    promotion = Promotion.of(context, model)
    promotion.reserve(config.wait)
    try:
        ref, url, service = bring_up(config, inputs, context, "release")
    except BaseException as err:
        promotion.give_up(str(err) or type(err).__name__)
        raise
    try:
        standing = promotion.complete({"service": ref.name, "revision": ref.revision})
    except PromotionRefusedError as err:
        restore(context.store(), service, err.message)
        raise
    odd = mirror_aliases(context, promotion.home, promotion.name)
    previous = service.previous.version if service.previous else None
    before = f"version {previous}" if previous else "nothing"
    summary = f"Version {ref.version} has all traffic of `{ref.name}` (before: {before}) and is the champion."
    details = {"name": promotion.name, "url": url, "previous": previous, "entry": standing.witness(promotion.home)}
    return Outcome(outputs={"service": ref}, summary=" ".join([summary, *odd]), details=details)
