"""Where a rollback leads: the version before the live one, the alternate, or one that the service has had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import (
    DigestMismatchError,
    NotFoundInStoreError,
    RollbackRefusedError,
    SizeMismatchError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops_provider.store.services import ServedVersion, Service
    from mlops_provider.store.store import Store

PREVIOUS, ALTERNATE = "previous", "alternate"
_BACK = frozenset({"rollback", "restore"})


def rollback_target(states: Sequence[Service], to: str) -> ServedVersion:
    """Find the version that `to` means in the history of a service: previous, alternate or a version's name.

    RollbackRefusedError says what there is instead.
    """
    if not states:
        raise RollbackRefusedError("the service has no version that is live")
    current = states[-1]
    if to == PREVIOUS:
        return _previous(states)
    if to == ALTERNATE:
        if current.alternate is None:
            raise RollbackRefusedError(f"no alternate stands by for {current.name}")
        return current.alternate
    found = next((state.named()[to] for state in reversed(states) if to in state.named()), None)
    if found is None:
        raise RollbackRefusedError(
            f"{current.name} has never had version {to}", hint=f"versions that it has had: {_listed(states)}"
        )
    return found


def _previous(states: Sequence[Service]) -> ServedVersion:
    """Give what was live before a release that is under way, what ran until the service was stopped, or the last."""
    current = states[-1]
    if current.rollout is not None and (stable := current.named().get(current.rollout.stable)):
        return stable
    found = before_live(states) if current.primary else current.previous
    if found is None:
        live = f"before {current.primary.version} " if current.primary else ""
        raise RollbackRefusedError(
            f"{current.name} has no version {live}to roll back to",
            hint=f"versions that it has had: {_listed(states)}; name one, or stop the service",
        )
    return found


def before_live(states: Iterable[Service]) -> ServedVersion | None:
    """Give the version before the live one, as undoing gives it: what was rolled back from does not come back."""
    stack: list[ServedVersion] = []
    for state in states:
        live = state.primary
        if live is None or (stack and _same(stack[-1], live)):
            continue
        places = [place for place, version in enumerate(stack) if _same(version, live)]
        if places and state.change and state.change.action in _BACK:
            del stack[places[-1] + 1 :]
        else:
            stack.append(live)
    return stack[-2] if len(stack) > 1 else None


def require_whole(store: Store, service: str, version: ServedVersion) -> None:
    """Read every byte of a version's model: RollbackRefusedError when it is gone or is another than it was."""
    try:
        store.open(version.model, verify=True)
    except (NotFoundInStoreError, DigestMismatchError, SizeMismatchError) as err:
        raise RollbackRefusedError(
            f"{service} cannot go back to version {version.version}: {err.message}",
            hint="restore the model from a backup, or name another version; what is live stays",
        ) from err


def _same(one: ServedVersion, other: ServedVersion) -> bool:
    return one.version == other.version and one.model.digest == other.model.digest


def _listed(states: Iterable[Service]) -> str:
    names = dict.fromkeys(version.version for state in states for version in state.versions)
    return ", ".join(names) or "none"
