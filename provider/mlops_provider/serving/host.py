"""Hosts: one follows one service's deployment record and holds the model that answers for it."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from mlops_provider.exceptions import MlopsError
from mlops_provider.serving.model import ServedModel, load_served
from mlops_provider.store.services import ServerReport, Service, list_services, now, read_service, write_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

POLL_SECONDS = 0.5
REPORT_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Host:
    """Holds the active model of one service. `active` is replaced whole: a request sees one model or the other."""

    def __init__(self, store: Store, workflow: str, environment: str) -> None:
        self.store = store
        self.service = Service(workflow=workflow, environment=environment)
        self.active: ServedModel | None = None
        self.state: dict[str, dict[str, str]] = {}
        self._failed: set[str] = set()

    def follow(self) -> bool:
        """Look at the record; load and switch when it names another model. Say whether something changed."""
        self.service = read_service(self.store, self.service.workflow, self.service.environment)
        wanted = self.service.primary
        if wanted is None:
            changed, self.active, self.state = self.active is not None, None, {}
            return changed
        if self.active and self.active.version.model.digest == wanted.model.digest:
            if self.active.version != wanted:
                self.active.version = wanted
                self._say(wanted, "ready")
            return False
        if f"{self.service.revision}" in self._failed:
            return False
        self._say(wanted, "loading")
        return self._load(wanted)

    def _load(self, wanted: ServedVersion) -> bool:
        started = time.monotonic()
        try:
            served = load_served(self.store, wanted)
        except Exception as err:  # noqa: BLE001 (whatever a model does when it loads, the old one keeps serving)
            message = err.message if isinstance(err, MlopsError) else f"{type(err).__name__}: {err}"
            _LOG.exception("%s: version %s cannot be loaded", self.service.name, wanted.version)
            self._failed.add(f"{self.service.revision}")
            self._say(wanted, "failed", message[:1000])
            return True
        self.active = served
        self.state = {}
        self._say(wanted, "ready")
        seconds = time.monotonic() - started
        _LOG.info("%s: version %s answers now (loaded in %.2f s)", self.service.name, wanted.version, seconds)
        return True

    def _say(self, version: ServedVersion, status: str, message: str = "") -> None:
        said = {"status": status, "digest": version.model.digest, "message": message}
        self.state = {**self.state, version.version: said}


class Follower:
    """The thread that keeps hosts in step with the store and writes their reports."""

    def __init__(
        self, store: Store, server_id: str, url: Callable[[Service], str], *, only: tuple[str, str] | None = None
    ) -> None:
        self.store = store
        self.server_id = server_id
        self.only = only
        self.hosts: dict[tuple[str, str], Host] = {only: Host(store, *only)} if only else {}
        self.on_switch: Callable[[Host], None] = lambda _: None
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Start following."""
        self._thread.start()

    def close(self) -> None:
        """Stop following and take the reports back."""
        self._stop.set()
        self._thread.join(timeout=30)
        for host in self.hosts.values():
            key = f"{host.service.workflow}/services/{host.service.environment}/servers/{self.server_id}.json"
            self.store.files.delete(key)

    def _run(self) -> None:
        reported, trouble = 0.0, ""
        while not self._stop.is_set():
            changed = False
            try:
                changed = self._follow_all()
                if changed or time.monotonic() - reported >= REPORT_SECONDS:
                    self._report_all()
                    reported = time.monotonic()
                trouble = ""
            except Exception as err:  # noqa: BLE001 (the thread must outlive a store that is away)
                if str(err) != trouble:  # once, not twice a second
                    _LOG.exception("the store %s cannot be used; serving what is loaded", self.store.url)
                trouble = str(err)
            self._stop.wait(POLL_SECONDS)

    def _follow_all(self) -> bool:
        if self.only is None:
            for service in list_services(self.store):
                key = (service.workflow, service.environment)
                if key not in self.hosts:
                    self.hosts = {**self.hosts, key: Host(self.store, *key)}
        changed = False
        for host in self.hosts.values():
            if host.follow():
                changed = True
                self.on_switch(host)
        return changed

    def _report_all(self) -> None:
        for host in self.hosts.values():
            report = ServerReport(
                server_id=self.server_id,
                url=self._url(host.service),
                at=now(),
                revision=host.service.revision,
                versions=host.state,
            )
            write_report(self.store, host.service, report)
