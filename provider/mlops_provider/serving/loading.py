"""Marks of models that are being loaded: a model that takes the process down with it is not loaded for ever.

Before a version is loaded a file is written, afterwards it is removed. A file that is found was left by a process
that died meanwhile; after the second one the version is refused as one that fails.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.serving.model import ServedModel
    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

    Load = Callable[[Store, ServedVersion], ServedModel]

DEATHS = 2


class LoadingMarks:
    """The marks of the servers at one port of this machine."""

    def __init__(self, port: int, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.gettempdir()) / "mlops" / "loading" / str(port)

    def guard(self, load: Load) -> Load:
        """Give a loader that leaves marks and refuses what killed its process twice."""

        def guarded(store: Store, version: ServedVersion) -> ServedModel:
            mark = self.folder / f"{version.model.digest}.{store.url.replace('/', '_')[-100:]}"
            deaths = _count(mark)
            if deaths >= DEATHS:
                mark.unlink(missing_ok=True)
                raise ModelLoadError(f"{deaths} server processes died while they loaded version {version.version}")
            with suppress(OSError):  # without a place for marks the model is loaded all the same
                self.folder.mkdir(parents=True, exist_ok=True)
                mark.write_text(str(deaths + 1))
            try:
                return load(store, version)
            finally:
                with suppress(OSError):
                    mark.unlink(missing_ok=True)

        return guarded


def _count(mark: Path) -> int:
    try:
        return int(mark.read_text())
    except (OSError, ValueError):
        return 0
