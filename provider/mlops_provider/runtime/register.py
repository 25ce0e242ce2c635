"""Phase `register`: make the model a version in the registry, exactly once per run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.aliases import actor_of, adopt_champion, mirror_aliases
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now, one
from mlops_provider.runtime.lineage import lineage_of
from mlops_provider.store.model_versions import VersionDocument, claim_name, write_version
from mlops_provider.store.promotions import record_version
from mlops_provider.store.standing import Holder, Standing, read_standing
from mlops_provider.store.store import json_digest

if TYPE_CHECKING:
    from mlops_dag_factory.spec.register import RegisterSpec


def run(config: RegisterSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Register exactly these bytes, with lineage; every step finds what an attempt before it has done.

    First the version in the registry, then its document, then the entry in the audit chain that makes it the
    challenger, then the alias in the registry, which follows the chain.
    """
    model: ModelRef = one(inputs, "model", ModelRef)
    store = context.store()
    meta = store.open(model, verify=True).meta
    name = config.name or context.workflow
    tags = {
        "mlops.workflow": context.workflow,
        tracking.RUN_TAG: context.run_id,
        "mlops.data": meta["lineage"]["data"],
        "mlops.owner": context.owner,
    }
    before = read_standing(store, name)
    version = tracking.register_version(context, name, model, tags=tags)
    home = claim_name(store, name, context.workflow)
    before = adopt_champion(context, home, name) if before.champion is None else before
    document = write_version(store, home, _document(context, version, lineage_of(context, model, meta), before))
    actor = actor_of(context)
    payload = {"digest": model.digest, "document": json_digest(document), "data": meta["lineage"]["data"]}
    standing = record_version(
        store,
        home,
        name,
        Holder.of(store, version, actor),
        actor,
        challenger=config.challenger,
        after=document["after"],
        payload=payload,
    )
    odd = mirror_aliases(context, home, name)
    tracking.mirror(context, parameters={"name": name}, metrics={})
    return Outcome(
        outputs={"version": version},
        summary=" ".join([_said(version, standing), *odd]),
        details={
            "lineage": document["lineage"],
            "entry": standing.witness(home),
            "alias": tracking.CHALLENGER if _is_challenger(version, standing) else "",
        },
    )


def _document(context: RunContext, version: ModelRef, lineage: dict[str, Any], before: Standing) -> VersionDocument:
    champion = before.champion
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "key": context.store().key(version.uri),
        "identity": context.identity,
        "workflow": context.workflow,
        "run": context.run_id,
        "reason": context.reason,
        "owner": context.owner,
        "at": now(),
        "champion": {"version": champion.version, "digest": champion.digest} if champion else {},
        "after": before.entry.number if before.entry else 0,
        "lineage": lineage,
    }


def _said(version: ModelRef, standing: Standing) -> str:
    role = "is the challenger" if _is_challenger(version, standing) else "is registered"
    return f"Version {version.version} of `{version.name}`, digest `{version.digest[:16]}`, {role}."


def _is_challenger(version: ModelRef, standing: Standing) -> bool:
    return standing.challenger is not None and standing.challenger.version == version.version
