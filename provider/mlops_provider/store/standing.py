"""Who is champion and challenger of a registered name, as the audit chain says it.

The chain's subject `model/<name>` carries in the payload of each entry how the name stands after it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.refs import ModelRef
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.model_versions import home_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """On whose behalf something is done: a phase of a run, or a person; `identity` is the same in every attempt."""

    workflow: str
    identity: str
    run: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A version that an alias points at, and who made it so; `key` is where the model is in the store.

    `identity` names the phase of the run that did it.
    """

    version: str
    digest: str
    key: str
    identity: str = ""
    run: str = ""
    by: str = ""
    at: str = ""

    @classmethod
    def of(cls, store: Store, model: ModelRef, actor: Actor) -> Self:
        """Make the holder of a model version."""
        key = model.uri.removeprefix(f"{store.url}/")
        at = now()
        return cls(
            version=model.version,
            digest=model.digest,
            key=key,
            identity=actor.identity,
            run=actor.run,
            by=actor.by,
            at=at,
        )

    def ref(self, store: Store, name: str) -> ModelRef:
        """Give the reference of the version."""
        outside = "://" in self.key or self.key.startswith("/")
        uri = self.key if outside else store.uri(self.key)
        return ModelRef(uri=uri, digest=self.digest, name=name, version=self.version)

    def same_model(self, other: Holder | None) -> bool:
        """Say whether two versions are the same bytes."""
        return other is not None and other.digest == self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a name stands. `reserved` is the version whose promotion is under way, `until` when that lapses."""

    champion: Holder | None = None
    challenger: Holder | None = None
    reserved: Holder | None = None
    until: str = ""
    entry: Entry | None = None

    @classmethod
    def after(cls, entry: Entry | None) -> Self:
        """Read it from the subject's latest entry."""
        if entry is None:
            return cls()
        value = entry.payload["standing"]
        holders = {name: Holder(**value[name]) if value[name] else None for name in _HOLDERS}
        return cls(**holders, until=value["until"], entry=entry)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, as it stands in the payload."""
        holders = {name: getattr(self, name) for name in _HOLDERS}
        return {name: asdict(holder) if holder else None for name, holder in holders.items()} | {"until": self.until}

    def witness(self, home: str) -> dict[str, Any] | None:
        """Give where the entry stands and its hash, as records of phases keep it: they witness that it was there."""
        return {"chain": home, "number": self.entry.number, "hash": self.entry.hash} if self.entry else None

    def lapsed(self, within: timedelta = timedelta(0)) -> bool:
        """Say whether the reservation has outlived its run, or will within some time."""
        return self.reserved is not None and datetime.fromisoformat(self.until) < datetime.now(UTC) + within


_HOLDERS = ("champion", "challenger", "reserved")


def read_standing(store: Store, name: str) -> Standing:
    """Read how a name stands; nothing stands where it was never registered."""
    home = home_of(store, name)
    return Standing.after(Chain(store, home).latest(subject_of(name))) if home else Standing()


def subject_of(name: str) -> str:
    """Give the subject of a name in its chain."""
    return f"model/{name}"


def now() -> str:
    """Give the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def entry_of(kind: str, name: str, actor: Actor, standing: Standing, payload: Mapping[str, Any]) -> Entry:
    """Make the entry of something that happened to a name; `standing` is how the name stands after it."""
    return Entry(
        kind=kind,
        subject=subject_of(name),
        workflow=actor.workflow,
        by=actor.by,
        run=actor.run,
        at=now(),
        reason=actor.reason,
        payload={**payload, "name": name, "identity": actor.identity, "standing": standing.to_dict()},
    )
