"""Hosts: one follows one service's deployment record and holds the model that answers for it."""

from __future__ import annotations

import gc
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_provider.exceptions import MlopsError, StoreError
from mlops_provider.serving.model import ServedModel, load_served
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from mlops_provider.store.services import ServedVersion, Service
    from mlops_provider.store.store import Store

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """What the server says about one revision of the record: version -> status, digest, message."""

    revision: int = 0
    versions: dict[str, dict[str, str]] = field(default_factory=dict)


class Host:
    """Holds the active model of one service. `active` is replaced whole: a request sees one model or the other."""

    def __init__(self, store: Store, workflow: str, environment: str) -> None:
        self.store = store
        self.workflow = workflow
        self.environment = environment
        self.name = f"{workflow}/{environment}"
        self.active: ServedModel | None = None
        self.wanted: ServedVersion | None = None
        self.state = State()
        self._failed = 0

    def follow(self) -> bool:
        """Look at the record; load and switch when it names another model. Say whether another version answers."""
        service = read_service(self.store, self.workflow, self.environment)
        if service.revision < self.state.revision:  # records only grow: a folder that is not mounted looks empty
            found = f"at revision {service.revision} after revision {self.state.revision}"
            raise StoreError(f"the record of {self.name} was found {found}")
        self.wanted = wanted = service.primary
        if wanted is None:
            changed, self.active = self.active is not None, None
            self.state = State(service.revision)
            return changed
        if self.active and self.active.version.model.digest == wanted.model.digest:
            changed = self.active.version.version != wanted.version
            if self.state.revision != service.revision:
                self.active = self.active.as_version(wanted)
                self._say(service, wanted, "ready")
            return changed
        if service.revision == self._failed:
            return False
        return self._load(service, wanted)

    def reason(self) -> str:
        """Say why no model answers."""
        said = [f"version {version} {state['status']} {state['message']}" for version, state in self._versions()]
        return "; ".join(text.strip() for text in said) or "nothing is deployed"

    def _versions(self) -> list[tuple[str, dict[str, str]]]:
        return list(self.state.versions.items())

    def _load(self, service: Service, wanted: ServedVersion) -> bool:
        if self.state.revision != service.revision:
            self._say(service, wanted, "loading")
        started = time.monotonic()
        try:
            served = load_served(self.store, wanted)
        except Exception as err:  # noqa: BLE001 (whatever a model does when it loads, the old one keeps serving)
            self._refuse(service, wanted, err)
            return False
        self.active = served
        self._say(service, wanted, "ready")
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # models and libraries stay: the collector need not walk through them during requests
        seconds = time.monotonic() - started
        _LOG.info("%s: version %s answers now (loaded in %.2f s)", self.name, wanted.version, seconds)
        return True

    def _refuse(self, service: Service, wanted: ServedVersion, err: Exception) -> None:
        """Report a failure; one that may pass (the store is away) is tried again at the next look."""
        message = " ".join(str(err).split()) if isinstance(err, MlopsError) else f"{type(err).__name__}: {err}"
        passing = isinstance(err, OSError) or (isinstance(err, MlopsError) and err.retryable)
        status = "loading" if passing else "failed"
        if not passing:
            self._failed = service.revision
        if self.state.versions.get(wanted.version, {}).get("message") != message[:1000]:
            _LOG.error("%s: version %s cannot be loaded: %s", self.name, wanted.version, message, exc_info=err)
        self._say(service, wanted, status, message[:1000])

    def _say(self, service: Service, version: ServedVersion, status: str, message: str = "") -> None:
        said = {version.version: {"status": status, "digest": version.model.digest, "message": message}}
        if self.active and self.active.version.version != version.version:
            now = self.active.version
            said[now.version] = {"status": "ready", "digest": now.model.digest, "message": "answers meanwhile"}
        self.state = State(service.revision, said)
