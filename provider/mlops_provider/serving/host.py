"""Hosts: one follows one service's deployment record and holds the models that answer for it."""

from __future__ import annotations

import gc
import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DamagedDocumentError, MlopsError, StoreError
from mlops_provider.serving.lineup import Lineup
from mlops_provider.serving.model import ServedModel, load_served
from mlops_provider.store.services import read_last_sound, read_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.store.services import ServedVersion, Service
    from mlops_provider.store.store import Store

_LOG = logging.getLogger(__name__)
_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class State:
    """What the server says about one revision of the record: version -> status, digest, message; and what is wrong."""

    revision: int = 0
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    trouble: str = ""


class Host:
    """Holds the models of one service. `lineup` is replaced whole: a request sees one or the other."""

    def __init__(
        self,
        store: Store,
        workflow: str,
        environment: str,
        load: Callable[[Store, ServedVersion], ServedModel] = load_served,
    ) -> None:
        self.store = store
        self.workflow = workflow
        self.environment = environment
        self.name = f"{workflow}/{environment}"
        self.lineup = Lineup()
        self.wanted: ServedVersion | None = None
        self.state = State()
        self._load_model = load
        self._held: dict[str, ServedModel] = {}
        self._failed: dict[str, str] = {}
        self._again = False

    @property
    def active(self) -> ServedModel | None:
        """The model with most of the traffic."""
        return self.lineup.primary

    def follow(self) -> bool:
        """Look at the record; load and switch when it names other models. Say whether the line-up changed.

        The line-up changes when every version with a share is in memory and right; until then what answers goes on.
        """
        service = self._read()
        if service is None:
            return False
        if service.revision < self.state.revision:  # records only grow: a folder that is not mounted looks empty
            found = f"at revision {service.revision} after revision {self.state.revision}"
            raise StoreError(f"the record of {self.name} was found {found}")
        self.wanted = service.primary
        if service.revision == self.state.revision and not self._again:
            return False
        if service.revision != self.state.revision:
            self._failed = {}
        before, self._again = self.lineup, False
        if not service.versions:
            self.lineup, self._held = Lineup(), {}
            self.state = State(service.revision)
            return bool(before.served)
        for version in _all_of(service):
            self._hold(service, version)
        self.lineup = self._compose(service)
        keep = {model.version.model.digest for model in self.lineup.models()}
        keep |= {version.model.digest for version in _all_of(service)}
        self._held = {digest: model for digest, model in self._held.items() if digest in keep}
        self._say(service)
        if self.lineup.served and self.lineup != before:
            gc.unfreeze()
            gc.collect()
            gc.freeze()  # models and libraries stay: the collector need not walk through them during requests
        return self.lineup != before

    def reason(self) -> str:
        """Say why no model answers."""
        said = [f"version {name} {state['status']} {state['message']}" for name, state in self.state.versions.items()]
        return "; ".join(text.strip() for text in [*said, self.state.trouble] if text) or "nothing is deployed"

    def _read(self) -> Service | None:
        """Read the record. One that is damaged changes nothing; a server that starts takes the last sound revision."""
        try:
            service = read_service(self.store, self.workflow, self.environment)
        except DamagedDocumentError as err:
            if self.state.trouble != err.message:
                _LOG.error("%s: %s; serving what is loaded", self.name, err.message)
                self.state = replace(self.state, trouble=err.message)
            return None if self.lineup.served else read_last_sound(self.store, self.workflow, self.environment)
        if self.state.trouble:
            self.state = replace(self.state, trouble="")
        return service

    def _hold(self, service: Service, version: ServedVersion) -> None:
        """Have a version in memory, or remember why not; what may pass (the store is away) is tried again."""
        digest = version.model.digest
        if digest in self._held or digest in self._failed:
            return
        self._say(service, loading=digest)
        started = time.monotonic()
        try:
            self._held[digest] = self._load_model(self.store, version)
        except Exception as err:  # noqa: BLE001 (whatever a model does when it loads, the old one keeps serving)
            message = " ".join(str(err).split()) if isinstance(err, MlopsError) else f"{type(err).__name__}: {err}"
            if isinstance(err, OSError) or (isinstance(err, MlopsError) and err.retryable):
                self._again = True
            else:
                self._failed[digest] = message[:_SHOWN]
            if self.state.versions.get(version.version, {}).get("message") != message[:_SHOWN]:
                _LOG.error("%s: version %s cannot be loaded: %s", self.name, version.version, message, exc_info=err)
            self._say(service, loading=digest, message=message[:_SHOWN])
        else:
            seconds = time.monotonic() - started
            _LOG.info("%s: version %s is in memory (%.2f s)", self.name, version.version, seconds)

    def _compose(self, service: Service) -> Lineup:
        def model(version: ServedVersion | None) -> ServedModel | None:
            held = self._held.get(version.model.digest) if version else None
            return held.as_version(version) if held and version else None

        shadow, alternate = model(service.shadow), model(service.alternate)
        served = tuple(found for found in map(model, service.versions) if found)
        if len(served) == len(service.versions):
            return Lineup(served, shadow, alternate)
        if self.lineup.served and not self.lineup.standby:
            return self.lineup
        if any(found.version.weight for found in served):
            return Lineup(served, shadow, alternate)
        if alternate is None and service.previous:
            self._hold(service, service.previous)
            alternate = model(service.previous)
        return Lineup((alternate,), None, alternate, standby=True) if alternate else self.lineup

    def _say(self, service: Service, *, loading: str = "", message: str = "") -> None:
        """Report every version that the record asks for, and those that answer meanwhile."""
        said: dict[str, dict[str, str]] = {}
        for version in _all_of(service):
            digest = version.model.digest
            failed = self._failed.get(digest, "")
            status = "ready" if digest in self._held else "failed" if failed else "loading"
            text = message if digest == loading and not failed else failed
            kept = self.state.versions.get(version.version, {})
            if status == "loading" and not text and kept.get("status") == status and kept.get("digest") == digest:
                text = kept.get("message", "")  # a reason stays while it is tried again
            said[version.version] = {"status": status, "digest": digest, "message": text}
        for model in self.lineup.served:
            if model.version.version not in said:
                digest = model.version.model.digest
                said[model.version.version] = {"status": "ready", "digest": digest, "message": "answers meanwhile"}
        self.state = State(service.revision, said, self.state.trouble)


def _all_of(service: Service) -> list[ServedVersion]:
    """Give the versions to have in memory, those with traffic first."""
    others = [version for version in (service.alternate, service.shadow) if version]
    return [*service.versions, *others]
