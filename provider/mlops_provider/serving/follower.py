"""The follower: two threads that keep hosts in step with the store and tell the store how they are."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from mlops_provider.serving.host import Host
from mlops_provider.serving.model import load_served
from mlops_provider.store.service_reports import ServerReport, remove_report, sweep_reports, write_report
from mlops_provider.store.services import list_service_names, now

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.serving.model import ServedModel
    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

POLL_SECONDS = 0.5
REPORT_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


class Follower:
    """Watches the records and reports on another thread, so that a model that loads slowly is not a dead server."""

    def __init__(
        self,
        store: Store,
        server_id: str,
        url: Callable[[Host], str],
        *,
        only: tuple[str, str] | None = None,
        on_switch: Callable[[Host], None] = lambda _: None,
        load: Callable[[Store, ServedVersion], ServedModel] = load_served,
    ) -> None:
        self.store = store
        self.server_id = server_id
        self.only = only
        self._load = load
        self.hosts: dict[tuple[str, str], Host] = {only: Host(store, *only, load)} if only else {}
        self.looked = threading.Event()
        self._url = url
        self._on_switch = on_switch
        self._stop = threading.Event()
        self._changed = threading.Event()
        loops = (("follower", self._watch), ("reporter", self._report))
        self._threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops]

    def start(self) -> None:
        """Start following."""
        for thread in self._threads:
            thread.start()

    @property
    def started(self) -> bool:
        """Whether every record was read once, and what it names was loaded or refused."""
        return self.looked.is_set()

    def close(self) -> None:
        """Stop following and take the reports back."""
        self._stop.set()
        self._changed.set()
        for thread in reversed(self._threads):
            thread.join(timeout=_CLOSE_SECONDS)
        for host in self.hosts.values():
            try:
                remove_report(self.store, host.workflow, host.environment, self.server_id)
            except Exception:  # noqa: BLE001 (a store that is away must not keep the server from ending)
                _LOG.warning("the report of %s could not be removed", host.name)

    def _watch(self) -> None:
        trouble: dict[str, str] = {}
        while not self._stop.is_set():
            sound = self._attempt("", trouble, self._find)
            for host in self.hosts.values():  # the trouble of one is not the others'
                sound &= self._attempt(host.name, trouble, lambda host=host: self._follow(host))  # type: ignore[misc]
            if sound:
                self.looked.set()
            self._stop.wait(POLL_SECONDS)

    def _attempt(self, name: str, trouble: dict[str, str], work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as err:  # noqa: BLE001 (the thread must outlive a store that is away)
            trouble[name] = self._away(err, trouble.get(name, ""))
            return False
        trouble[name] = ""
        return True

    def _follow(self, host: Host) -> None:
        before = host.state
        if host.follow():
            self._on_switch(host)
        if host.state is not before:
            self._changed.set()

    def _find(self) -> None:
        if self.only is None:
            for key in list_service_names(self.store):
                if key not in self.hosts:
                    self.hosts = {**self.hosts, key: Host(self.store, *key, self._load)}

    def _report(self) -> None:
        trouble, swept = "", set[str]()
        while not self._stop.is_set():
            try:
                for host in self.hosts.values():
                    if host.name not in swept:
                        sweep_reports(self.store, host.workflow, host.environment)
                        swept.add(host.name)
                    state = host.state
                    report = ServerReport(
                        server_id=self.server_id,
                        url=self._url(host),
                        at=now(),
                        revision=state.revision,
                        versions=state.versions,
                        trouble=state.trouble,
                    )
                    write_report(self.store, host.workflow, host.environment, report)
                trouble = ""
            except Exception as err:  # noqa: BLE001 (the thread must outlive a store that is away)
                trouble = self._away(err, trouble)
            self._changed.wait(REPORT_SECONDS)
            self._changed.clear()

    def _away(self, err: Exception, before: str) -> str:
        """Log trouble with the store once, not twice a second; give what it was."""
        trouble = f"{type(err).__name__}: {err}"
        if trouble != before:
            _LOG.error("the store %s cannot be used; serving what is loaded", self.store.url, exc_info=err)
        return trouble
