"""MLflow's aliases as a mirror of the audit chain: put right where they differ.

The chain decides. Where MLflow differs because a process died between the two, the mirror is put right without a word;
where somebody moved an alias in MLflow, it is put back, and that is said and recorded. Only where the chain knows no
champion does MLflow's count: it is adopted, on record.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mlops_provider.exceptions import RegistryError
from mlops_provider.runtime import tracking
from mlops_provider.store.promotions import adopt, note_repair
from mlops_provider.store.standing import Actor, Holder, Standing, read_standing

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel

    from mlops_provider.runtime.contract import RunContext

_MIRRORED = "mlops.alias."
"""Prefix of the tag that says where we last put an alias."""
AUDIT_TAG = "mlops.audit"
"""Tag that names the latest entry, as '<number>:<hash>': a witness of the chain outside the store."""

log = logging.getLogger(__name__)


def actor_of(context: RunContext) -> Actor:
    """Give on whose behalf a phase acts."""
    payload = context.reason.get("payload") or {}
    why = str((payload.get("why") if isinstance(payload, dict) else "") or context.reason.get("kind", ""))
    by = str(context.reason.get("by") or "") or context.owner
    return Actor(workflow=context.workflow, identity=context.identity, run=context.run_id, by=by, reason=why)


def adopt_champion(context: RunContext, home: str, name: str) -> Standing:
    """Give how a name stands; a champion that only MLflow knows is adopted first."""
    store = context.store()
    standing = read_standing(store, name)
    if standing.champion is not None or not context.tracking_uri:
        return standing
    outside = tracking.registered_champion(context.tracking_uri, name)
    if outside is None:
        return standing
    actor = actor_of(context)
    log.warning("version %s of '%s' is the champion in MLflow alone: it is adopted", outside.version, name)
    return adopt(store, home, name, Holder.of(store, outside, actor), actor)


def mirror_aliases(context: RunContext, home: str, name: str) -> list[str]:
    """Make MLflow's aliases those of the chain; give a sentence for each that somebody else had moved."""
    from mlflow.exceptions import MlflowException

    if not context.tracking_uri:
        return []
    store, said = context.store(), list[str]()
    standing = read_standing(store, name)
    while True:
        try:
            moved = _put_right(context.tracking_uri, name, standing)
        except MlflowException as err:
            raise RegistryError(f"the aliases of '{name}' could not be mirrored: {err}") from err
        for alias, found, wanted in moved:
            there = f"version {found}" if found else "nothing"
            said.append(f"Alias '{alias}' of '{name}' pointed at {there} in MLflow; version {wanted} was put back.")
            log.warning("%s The audit chain decides who is %s: release a version to change it", said[-1], alias)
            note_repair(store, home, name, actor_of(context), {"alias": alias, "found": found, "put_back": wanted})
        latest = read_standing(store, name)
        if latest == standing:
            return said
        standing = latest  # others went on meanwhile: the mirror must not show what was


def _put_right(uri: str, name: str, standing: Standing) -> list[tuple[str, str, str]]:
    """Move what differs; give (alias, where it was, where it is) of those that we had not put there."""
    api = tracking.client(uri)
    registered = api.get_registered_model(name)
    moved = []
    for alias, holder in ((tracking.CHAMPION, standing.champion), (tracking.CHALLENGER, standing.challenger)):
        found, ours = _version(registered, alias), registered.tags.get(f"{_MIRRORED}{alias}", "")
        wanted = holder.version if holder else ""
        if wanted and found != wanted:
            tracking.set_alias(uri, name, alias, wanted)
            if ours and found != ours:
                moved.append((alias, found, wanted))
        elif not wanted and found and found == ours:
            with tracking.locked(uri):
                api.delete_registered_model_alias(name, alias)
        _set_tag(uri, registered, f"{_MIRRORED}{alias}", wanted)
    if standing.entry:
        _set_tag(uri, registered, AUDIT_TAG, f"{standing.entry.number}:{standing.entry.hash}")
    return moved


def _version(registered: RegisteredModel, alias: str) -> str:
    return str(registered.aliases.get(alias, ""))


def _set_tag(uri: str, registered: RegisteredModel, tag: str, value: str) -> None:
    if registered.tags.get(tag, "") != value:
        with tracking.locked(uri):
            tracking.client(uri).set_registered_model_tag(registered.name, tag, value)
