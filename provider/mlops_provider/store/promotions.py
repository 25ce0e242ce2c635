"""How a version becomes the champion, one at a time, and how it is undone.

A promotion has two steps, so that traffic never moves for a version that may not become the champion: it is reserved,
and completed once the servers report the version healthy. Of two promotions that were judged against the same champion
one is completed, the other refused. Each step is one entry of the chain, appended by compare-and-set; a step that was
done already is not done again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import PromotionRefusedError
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.standing import Actor, Holder, Standing, entry_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.store import Store


@dataclass(frozen=True, slots=True)
class Judgement:
    """The champion that a version was judged against; both are empty where there was none."""

    version: str = ""
    digest: str = ""

    def holds(self, champion: Holder | None) -> bool:
        """Say whether that is still the champion, or a version of the same bytes."""
        if champion is None or not self.version:
            return champion is None and not self.version
        return champion.version == self.version or champion.digest == self.digest != ""


def record_version(
    store: Store, home: str, name: str, version: Holder, actor: Actor, *, challenger: bool, after: int, payload: Any
) -> Standing:
    """Record that a version was registered, once, and make it the challenger where it should be one.

    `after` is the number of an entry that was there before the version was: nothing older is looked at.
    """
    chain = Chain(store, home)

    def decide(latest: Entry | None) -> Entry | None:
        entry = latest
        while entry is not None and entry.number > after:
            if entry.kind == "registered" and entry.payload["version"] == version.version:
                return None
            entry = chain.before(entry)
        standing = Standing.after(latest)
        if challenger:
            standing = replace(standing, challenger=version)
        return entry_of("registered", name, actor, standing, {"version": version.version, **payload})

    return Standing.after(chain.append(subject_of(name), decide))


def reserve(
    store: Store,
    home: str,
    name: str,
    version: Holder,
    actor: Actor,
    *,
    judged: Judgement | None,
    lasts: timedelta,
    least: timedelta = timedelta(0),
) -> Standing:
    """Reserve the promotion of a version that was judged against the champion `judged`; None: nobody knows.

    Nothing happens when the version is the champion already, or is reserved for this actor for at least `least`. While
    another promotion is under way the standing that is given has its reservation: ask again later.
    PromotionRefusedError when another version has become the champion since.
    """

    def decide(latest: Entry | None) -> Entry | None:
        standing = Standing.after(latest)
        reserved, champion = standing.reserved, standing.champion
        mine = reserved is not None and reserved.identity == actor.identity and reserved.digest == version.digest
        if champion is not None and champion.version == version.version:
            return None
        if reserved is not None and not mine and not standing.lapsed():
            return None
        if judged is not None and not judged.holds(champion):
            raise _refused(name, version, judged, champion)
        if mine and not standing.lapsed(least):
            return None
        until = (datetime.now(UTC) + lasts).isoformat(timespec="milliseconds")
        payload = {
            "version": version.version,
            "digest": version.digest,
            "judged_against": judged.version or None if judged else "unknown",
            "takes_over": reserved.identity if reserved and not mine else None,
        }
        return entry_of("reserved", name, actor, replace(standing, reserved=version, until=until), payload)

    return Standing.after(Chain(store, home).append(subject_of(name), decide))


def promote(store: Store, home: str, name: str, version: Holder, actor: Actor, payload: Mapping[str, Any]) -> Standing:
    """Complete a promotion that was reserved: the version is the champion, and no longer the challenger.

    PromotionRefusedError when the reservation has lapsed and another run took it, or it was taken away.
    """

    def decide(latest: Entry | None) -> Entry | None:
        standing = Standing.after(latest)
        reserved, champion = standing.reserved, standing.champion
        if champion is not None and champion.version == version.version:
            return None
        if reserved is None or reserved.identity != actor.identity or reserved.digest != version.digest:
            raise _overtaken(name, version, reserved or champion)
        challenger = standing.challenger
        left = None if challenger and challenger.version == version.version else challenger
        after = replace(standing, champion=version, challenger=left, reserved=None, until="")
        return entry_of("champion", name, actor, after, {**_move(champion, version), **payload})

    return Standing.after(Chain(store, home).append(subject_of(name), decide))


def give_up(store: Store, home: str, name: str, version: Holder, actor: Actor, why: str) -> Standing:
    """Give back what was reserved for this actor, with the reason; nothing happens when nothing was."""

    def decide(latest: Entry | None) -> Entry | None:
        standing = Standing.after(latest)
        if standing.reserved is None or standing.reserved.identity != actor.identity:
            return None
        payload = {"version": version.version, "digest": version.digest, "why": why}
        return entry_of("given_up", name, actor, replace(standing, reserved=None, until=""), payload)

    return Standing.after(Chain(store, home).append(subject_of(name), decide))


def roll_back(store: Store, home: str, name: str, version: Holder, actor: Actor) -> Standing:
    """Make an earlier version the champion again, without a judgement; what was under way is refused later."""

    def decide(latest: Entry | None) -> Entry | None:
        standing = Standing.after(latest)
        if standing.champion is not None and standing.champion.version == version.version:
            return None
        after = replace(standing, champion=version, reserved=None, until="")
        return entry_of("rolled_back", name, actor, after, _move(standing.champion, version))

    return Standing.after(Chain(store, home).append(subject_of(name), decide))


def adopt(store: Store, home: str, name: str, version: Holder, actor: Actor) -> Standing:
    """Take over a champion that was made outside, where the chain knows none."""

    def decide(latest: Entry | None) -> Entry | None:
        standing = Standing.after(latest)
        if standing.champion is not None:
            return None
        return entry_of("adopted", name, actor, replace(standing, champion=version), _move(None, version))

    return Standing.after(Chain(store, home).append(subject_of(name), decide))


def note_repair(store: Store, home: str, name: str, actor: Actor, payload: Mapping[str, Any]) -> Standing:
    """Record that an alias which somebody moved in the registry was put back."""

    def decide(latest: Entry | None) -> Entry:
        return entry_of("alias_put_back", name, actor, Standing.after(latest), payload)

    return Standing.after(Chain(store, home).append(subject_of(name), decide))


def _move(before: Holder | None, after: Holder) -> dict[str, Any]:
    return {"from": before.version if before else None, "version": after.version, "digest": after.digest}


def _refused(name: str, version: Holder, judged: Judgement, champion: Holder | None) -> PromotionRefusedError:
    against = f"version {judged.version}" if judged.version else "no champion, as there was none"
    return PromotionRefusedError(
        f"version {version.version} of '{name}' was judged against {against}, but {_said(champion)}",
        hint=_HINT,
    )


def _overtaken(name: str, version: Holder, other: Holder | None) -> PromotionRefusedError:
    return PromotionRefusedError(
        f"the promotion of version {version.version} of '{name}' is no longer reserved, and {_said(other)}",
        hint=_HINT,
    )


def _said(holder: Holder | None) -> str:
    if holder is None:
        return "there is no champion now"
    run = f" in run {holder.run}" if holder.run else ""
    return f"version {holder.version} has been promoted since, by '{holder.by}'{run} at {holder.at}"


_HINT = "clear the run from its evaluate phase on, so that it is judged against that champion, or start a new run"
