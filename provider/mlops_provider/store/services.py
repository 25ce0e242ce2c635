"""Services: the deployment record that decides what runs.

The record of `<workflow>/<environment>` is a compare-and-set document; its revisions are its history. A change
carries an id: the same change asked for twice (a retry after a crash) happens once. What the model servers say about
it stands in `service_reports.py`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.exceptions import ConfigError, ConflictError, DamagedDocumentError, ServiceError, StoreError
from mlops_provider.refs import ModelRef
from mlops_provider.store.documents import history, read_document, read_revision, revisions, write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlops_provider.store.documents import Document
    from mlops_provider.store.store import Store

Action = Literal["deploy", "release", "weights", "shadow", "alternate", "rollback", "restore", "stop"]
_POLL_SECONDS = 0.2
_ATTEMPTS = 20
_ALL = 100
_ROLES = ("shadow", "alternate", "previous")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """A model version and its share of the traffic in percent; with 0 it is loaded and gets none."""

    version: str
    model: ModelRef
    weight: int = 100

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make it from its JSON form."""
        model = {key: item for key, item in value["model"].items() if key != "kind"}
        return cls(version=value["version"], model=ModelRef(**model), weight=value["weight"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who changed a service, how, when and why; `id` makes a retry recognisable."""

    id: str
    action: Action
    by: str
    at: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A release that is under way: whose it is, of which version beside which, and where it stands.

    `step` counts from 0, which is loading; `since` is when it began, `until` when nobody can be looking after it any
    more. `previous` is what was the previous version before it.
    """

    identity: str
    run: str
    by: str
    strategy: str
    candidate: str
    stable: str
    since: str
    until: str
    step: int = 0
    steps: int = 1
    previous: ServedVersion | None = None

    def said(self) -> str:
        """Say where it stands."""
        return f"{self.strategy}, step {self.step} of {self.steps}" if self.step else f"{self.strategy}, loading"

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make it from its JSON form."""
        return cls(**{**value, "previous": _version(value["previous"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The state of a service: what should run. Revision 0: nothing was ever deployed.

    `versions` share the traffic by weight. `shadow` answers too, and is compared, never returned. `alternate` stands by
    and answers where the version that should cannot. `previous` is what a rollback goes back to. `rollout` is the
    release that is under way.
    """

    workflow: str
    environment: str
    revision: int = 0
    versions: tuple[ServedVersion, ...] = ()
    shadow: ServedVersion | None = None
    alternate: ServedVersion | None = None
    previous: ServedVersion | None = None
    rollout: Rollout | None = None
    change: Change | None = None

    @property
    def name(self) -> str:
        """Name of the service: `<workflow>/<environment>`."""
        return f"{self.workflow}/{self.environment}"

    @property
    def key(self) -> str:
        """Key of the record in the store."""
        return f"{self.workflow}/services/{self.environment}/record"

    @property
    def primary(self) -> ServedVersion | None:
        """The version with most of the traffic."""
        return max(self.versions, key=lambda version: version.weight, default=None)

    def named(self) -> dict[str, ServedVersion]:
        """Give every version that the record names, by its name."""
        others = [found for found in (self.previous, self.alternate, self.shadow) if found]
        return {found.version: found for found in (*others, *self.versions)}

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, as it stands in the record."""
        return {
            "service": self.name,
            "versions": [asdict(version) for version in self.versions],
            **{name: asdict(found) if (found := getattr(self, name)) else None for name in _ROLES},
            **({"rollout": asdict(self.rollout)} if self.rollout else {}),
            "change": asdict(self.change) if self.change else None,
        }


def read_service(store: Store, workflow: str, environment: str) -> Service:
    """Read what should run."""
    empty = Service(workflow=workflow, environment=environment)
    return _service(empty, read_document(store, empty.key))


def service_history(store: Store, workflow: str, environment: str) -> list[Service]:
    """Read all states that a service has been in, oldest first."""
    empty = Service(workflow=workflow, environment=environment)
    return [_service(empty, document) for document in history(store, empty.key)]


def sound_history(store: Store, workflow: str, environment: str) -> tuple[list[Service], list[str]]:
    """Read the states that can be read, oldest first, and say what is wrong with the other revisions."""
    empty = Service(workflow=workflow, environment=environment)
    numbers = revisions(store, empty.key)
    lost = sorted(set(range(1, max(numbers, default=0))) - set(numbers))
    states, wrong = [], [f"revision {number} is gone" for number in lost]
    for number in numbers:
        try:
            states.append(_service(empty, read_revision(store, empty.key, number)))
        except StoreError as err:
            wrong.append(f"revision {number} cannot be read: {err.message}")
    return states, wrong


def list_services(store: Store) -> list[Service]:
    """Read every service in the store."""
    return [read_service(store, *name) for name in list_service_names(store)]


def list_service_names(store: Store) -> list[tuple[str, str]]:
    """Give workflow and environment of every service in the store."""
    return [
        (workflow, environment)
        for workflow in store.files.list("")
        for environment in store.files.list(f"{workflow}/services")
    ]


def read_last_sound(store: Store, workflow: str, environment: str) -> Service:
    """Read the newest revision that can be read: what a server starts from when the latest is damaged."""
    empty = Service(workflow=workflow, environment=environment)
    for revision in reversed(revisions(store, empty.key)):
        try:
            return _service(empty, read_revision(store, empty.key, revision))
        except StoreError:
            continue
    return empty


def set_version(
    store: Store, workflow: str, environment: str, version: ServedVersion, change: Change, *, after: int | None = None
) -> Service:
    """Give a version all the traffic; the state that is reached.

    A change that has been made already is not made again: the state is then the latest, which may be another's.
    `after` is the revision that the caller has seen: ConflictError when somebody has changed the service since.
    """

    def make(current: Service) -> Service:
        shadow = current.shadow
        if shadow and shadow.model.digest == version.model.digest:
            shadow = None
        made = replace(current, shadow=shadow, rollout=None)  # a release under way sees that it was overtaken
        return with_versions(made, (replace(version, weight=_ALL),))

    return change_service(store, workflow, environment, change, make, after=after)


def set_weights(
    store: Store,
    workflow: str,
    environment: str,
    weights: Mapping[str, int],
    change: Change,
    *,
    models: Iterable[ModelRef] = (),
    after: int | None = None,
) -> Service:
    """Divide the traffic among versions, in whole percent; the state that is reached.

    Versions are named as the record names them; `models` are those that it does not know yet. A version of weight 0
    is loaded and gets no traffic. `after` is the revision that the caller has seen: ConflictError when somebody has
    changed the service since. The same change asked for twice happens once.
    """
    new = {model.version: ServedVersion(version=model.version, model=model) for model in models}
    wrong = [f"{name}: {weight}" for name, weight in weights.items() if not 0 <= weight <= _ALL]
    if wrong or sum(weights.values()) != _ALL:
        shown = ", ".join(wrong) or f"{' + '.join(map(str, weights.values()))} = {sum(weights.values())}"
        raise ConfigError(f"weights must be 0 to 100 and make 100 together, not {shown}")

    def make(current: Service) -> Service:
        known = current.named() | new
        _require(weights, known, current.name)
        order = [found.version for found in current.versions if found.version in weights]
        order += [name for name in weights if name not in order]  # who was there stays first: a tie changes nothing
        versions = tuple(replace(known[name], weight=weights[name]) for name in order)
        return with_versions(current, versions)

    return change_service(store, workflow, environment, change, make, after=after)


def set_shadow(store: Store, workflow: str, environment: str, shadow: ModelRef | str | None, change: Change) -> Service:
    """Let a version answer in the shadow, or with None no longer; the state that is reached."""
    return change_service(
        store, workflow, environment, change, lambda current: replace(current, shadow=_role(current, shadow))
    )


def set_alternate(
    store: Store, workflow: str, environment: str, alternate: ModelRef | str | None, change: Change
) -> Service:
    """Let a version stand by for what cannot answer, or with None no longer; the state that is reached."""
    return change_service(
        store, workflow, environment, change, lambda current: replace(current, alternate=_role(current, alternate))
    )


def stop_service(store: Store, workflow: str, environment: str, change: Change, *, after: int | None = None) -> Service:
    """Let nothing answer; what had most of the traffic is the previous version, to come back to.

    `after` is the revision that the caller has seen: ConflictError when somebody has changed the service since.
    """

    def make(current: Service) -> Service:
        judged = current.named().get(current.rollout.stable) if current.rollout else current.primary
        return replace(current, versions=(), shadow=None, rollout=None, previous=judged or current.previous)

    return change_service(store, workflow, environment, change, make, after=after)


def roll_back(
    store: Store,
    workflow: str,
    environment: str,
    change: Change,
    *,
    to: ServedVersion | None = None,
    after: int | None = None,
) -> Service:
    """Give a version all the traffic again: `to`, or the previous one. `after`: see `set_version`."""
    current = read_service(store, workflow, environment)
    target = to or current.previous
    if target is None:
        raise ConfigError(f"{current.name} has no previous version to roll back to")
    return set_version(store, workflow, environment, target, change, after=after)


def restore(store: Store, broken: Service, reason: str) -> Service:
    """Put back what ran before the change that led to `broken`, unless somebody has changed it since."""
    states = service_history(store, broken.workflow, broken.environment)
    if states[-1].revision != broken.revision:
        return states[-1]
    before = states[-2] if len(states) > 1 else replace(broken, versions=(), previous=None)
    made = broken.change or Change(id="", action="restore", by="", at="")
    change = Change(id=_undone(made.id), action="restore", by=made.by, at=now(), reason=reason)
    try:
        return write_service(store, replace(before, revision=broken.revision, change=change))
    except ConflictError:
        return read_service(store, broken.workflow, broken.environment)


def now() -> str:
    """Give the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _undone(change_id: str) -> str:
    return f"{change_id}#undone"


def change_service(
    store: Store,
    workflow: str,
    environment: str,
    change: Change,
    make: Callable[[Service], Service],
    *,
    after: int | None = None,
) -> Service:
    """Write what `make` gives from the latest state, unless this change was made before."""
    for _ in range(_ATTEMPTS):
        states = service_history(store, workflow, environment)
        ids = [state.change.id for state in states if state.change]
        if ids.count(change.id) > ids.count(_undone(change.id)):
            return states[-1]
        current = states[-1] if states else Service(workflow=workflow, environment=environment)
        if after is not None and current.revision != after:
            raise ConflictError(store.uri(current.key), after)
        try:
            return write_service(store, replace(make(current), change=change))
        except ConflictError:
            time.sleep(_POLL_SECONDS)
    raise ServiceError(f"{workflow}/{environment} is changed by others all the time; try again")


def with_versions(current: Service, versions: tuple[ServedVersion, ...]) -> Service:
    """Give the state with other versions; what had most of the traffic and has no longer is the previous one."""
    before, made = current.primary, replace(current, versions=versions)
    after = made.primary
    moved = before and after and before.model.digest != after.model.digest
    return replace(made, previous=before) if moved else made


def _role(current: Service, given: ModelRef | str | None) -> ServedVersion | None:
    if isinstance(given, ModelRef):
        return ServedVersion(version=given.version, model=given, weight=0)
    if given is None:
        return None
    _require([given], current.named(), current.name)
    return replace(current.named()[given], weight=0)


def _require(names: Iterable[str], known: Mapping[str, ServedVersion], service: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"{service} does not know version {', '.join(unknown)}",
            hint=f"it knows {', '.join(sorted(known)) or 'none'}; give the model of another",
        )


def _service(empty: Service, document: Document) -> Service:
    if document.revision == 0:
        return empty
    data = document.data
    try:
        return replace(
            empty,
            revision=document.revision,
            versions=tuple(ServedVersion.from_dict(version) for version in data["versions"]),
            shadow=_version(data.get("shadow")),
            alternate=_version(data.get("alternate")),
            previous=_version(data["previous"]),
            rollout=Rollout.from_dict(data["rollout"]) if data.get("rollout") else None,
            change=Change(**data["change"]) if data["change"] else None,
        )
    except (KeyError, TypeError, AttributeError) as err:
        where = f"{document.key}, revision {document.revision}"
        raise DamagedDocumentError(where, f"{type(err).__name__}: {err}") from err


def _version(given: Mapping[str, Any] | None) -> ServedVersion | None:
    return ServedVersion.from_dict(given) if given else None


def write_service(store: Store, service: Service) -> Service:
    """Write a state as the revision after the one that it came from; ConflictError when another was first."""
    document = write_document(store, service.key, service.to_dict(), after=service.revision)
    return replace(service, revision=document.revision)
