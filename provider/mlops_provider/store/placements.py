"""Placements: where a service runs and with what, so that anybody can find it, change it and stop it later.

The placement of `<workflow>/<environment>` is a compare-and-set document; its revisions are its history. The deployment
record says which version runs; this one, as which containers of which engine, or as which objects of which cluster.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.exceptions import DamagedDocumentError
from mlops_provider.store.documents import history, read_document, write_document
from mlops_provider.store.store import json_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.documents import Document
    from mlops_provider.store.store import Store

State = Literal["rolling", "running", "failed", "stopped"]
_LISTS = ("pull_secrets", "secrets")
_IDENTITY = ("version", "model", "image", "cpu", "memory", "env", "store_url", "pull_secrets", "secrets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscale:
    """Fewest and most replicas, and the percent of the asked-for processor that is aimed at."""

    minimum: int
    maximum: int
    cpu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What runs where. `model` is the digest of the model, `image` what the engine or cluster is told to run.

    `store_url` is set where predictions are logged. `change` is who made it, as in the deployment record: the same
    change asked for twice happens once. `until` is when the attempt to bring it up ends, `stops_at` when it stops by
    itself, both ISO 8601 in UTC. `connection` is the Airflow connection, '' for the defaults of the worker.
    """

    workflow: str
    environment: str
    target: str
    version: str
    model: str
    image: str = ""
    replicas: int = 1
    autoscale: Autoscale | None = None
    cpu: str = "1"
    memory: str = "1Gi"
    namespace: str = ""
    connection: str = ""
    pull_secrets: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    port: int = 0
    host: str = "127.0.0.1"
    url: str = ""
    env: dict[str, str] = field(default_factory=dict)
    store_url: str = ""
    state: State = "rolling"
    change: str = ""
    attempt: int = 1
    by: str = ""
    at: str = ""
    until: str = ""
    stops_at: str = ""
    revision: int = 0

    @property
    def name(self) -> str:
        """Name of the service: `<workflow>/<environment>`."""
        return f"{self.workflow}/{self.environment}"

    @property
    def service(self) -> tuple[str, str]:
        """Workflow and environment."""
        return self.workflow, self.environment

    @property
    def key(self) -> str:
        """Key of the document in the store."""
        return _key(self.workflow, self.environment)

    @property
    def place(self) -> tuple[str, str, str]:
        """What tells one place from another: target, connection, namespace."""
        return self.target, self.connection, self.namespace

    @property
    def identity(self) -> str:
        """Short name of what a replica is made of: equal for two placements whose replicas are alike."""
        content = self.to_dict()
        return json_digest({name: content[name] for name in _IDENTITY})[:10]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, as it stands in the store."""
        content = asdict(self)
        del content["revision"]
        return content | {name: list(content[name]) for name in _LISTS}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], revision: int = 0) -> Self:
        """Make it from its JSON form."""
        scale = Autoscale(**value["autoscale"]) if value["autoscale"] else None
        lists = {name: tuple(value[name]) for name in _LISTS}
        return cls(**{**value, **lists, "autoscale": scale, "revision": revision})


def read_placement(store: Store, workflow: str, environment: str) -> Placement | None:
    """Read where a service runs; None when nothing says it: it runs on model servers, or was never deployed."""
    document = read_document(store, _key(workflow, environment))
    return _placement(document) if document.revision else None


def placement_history(store: Store, workflow: str, environment: str) -> list[Placement]:
    """Read all placements of a service, oldest first."""
    return [_placement(document) for document in history(store, _key(workflow, environment))]


def write_placement(store: Store, placement: Placement) -> Placement:
    """Write the revision after the one that the placement has; ConflictError when another writer was first."""
    document = write_document(store, placement.key, placement.to_dict(), after=placement.revision)
    return replace(placement, revision=document.revision)


def ran_before(store: Store, placement: Placement) -> Placement | None:
    """Give what ran until a placement was made; None when nothing did."""
    for earlier in reversed(placement_history(store, placement.workflow, placement.environment)):
        if earlier.revision < placement.revision and earlier.change != placement.change:
            if earlier.state == "running":
                return earlier
            if earlier.state == "stopped":
                return None
    return None


def _key(workflow: str, environment: str) -> str:
    return f"{workflow}/services/{environment}/placement"


def _placement(document: Document) -> Placement:
    try:
        return Placement.from_dict(document.data, document.revision)
    except (KeyError, TypeError, AttributeError) as err:
        where = f"{document.key}, revision {document.revision}"
        raise DamagedDocumentError(where, f"{type(err).__name__}: {err}") from err
