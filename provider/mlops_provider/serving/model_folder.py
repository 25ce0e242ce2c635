"""One model from a folder, served without a store: what an image holds."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from mlops_provider.refs import ModelRef
from mlops_provider.serving.host import Host, State
from mlops_provider.serving.lineup import Lineup
from mlops_provider.serving.model import load_served
from mlops_provider.store.services import ServedVersion
from mlops_provider.store.store import MANIFEST, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlops_provider.serving.model import ServedModel

SERVED_AS = "served_as.json"
"""File beside the model's own: under which name and as which version it is served."""


def folder_version(folder: Path) -> tuple[str, ServedVersion]:
    """Give the name of the model in a folder, and its version; without `served_as.json`: what its digest says."""
    digest = json.loads((folder / MANIFEST).read_text())["digest"]
    said = json.loads((folder / SERVED_AS).read_text()) if (folder / SERVED_AS).exists() else {}
    version = said.get("version") or digest[:12]
    store = Store(folder.absolute().parent)
    model = ModelRef(uri=store.uri(folder.absolute().name), digest=digest, version=version)
    return said.get("name") or "model", ServedVersion(version=version, model=model)


class FolderFollower:
    """Stands in for the follower of a store: its one model is loaded at the start, for good.

    `start` raises what is wrong with the model, digest and golden rows included: the server then does not come up.
    """

    def __init__(
        self,
        folder: Path,
        service: tuple[str, str] | None = None,
        *,
        on_switch: Callable[[Host], None] = lambda _: None,
        load: Callable[[Store, ServedVersion], ServedModel] = load_served,
    ) -> None:
        name, self._version = folder_version(folder)
        self.only = service or (name, "production")
        self.host = Host(Store(folder.absolute().parent), *self.only, load)
        self.hosts = {self.only: self.host}
        self.looked = threading.Event()
        self._load = load
        self._on_switch = on_switch

    def start(self) -> None:
        """Load the model."""
        served = self._load(self.host.store, self._version)
        said = {"status": "ready", "digest": self._version.model.digest, "message": ""}
        self.host.wanted, self.host.state = self._version, State(1, {self._version.version: said})
        self.host.lineup = Lineup((served,))
        self._on_switch(self.host)
        self.looked.set()

    @property
    def started(self) -> bool:
        """Whether the model was loaded."""
        return self.looked.is_set()

    def close(self) -> None:
        """Do nothing: there is nobody to tell."""
