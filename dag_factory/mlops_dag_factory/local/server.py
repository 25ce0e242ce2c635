"""A model server on this machine that serves every service of a local home's store."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

import httpx

from mlops_dag_factory.local.home import free_port, inherited_environment
from mlops_dag_factory.local.process import ProcessGroup

if TYPE_CHECKING:
    from mlops_dag_factory.local.home import LocalHome


class LocalServerError(Exception):
    """The model server did not start."""


class LocalServer:
    """`mlops serve` on a free port, in a process group of its own."""

    def __init__(self, home: LocalHome, *, port: int = 0) -> None:
        self.home = home
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.group: ProcessGroup | None = None

    def start(self, timeout: float = 60.0) -> Self:
        """Start and wait until it answers."""
        serve = [sys.executable, "-m", "mlops_dag_factory.cli.main", "serve"]
        command = [*serve, "--store", str(self.home.store), "--host", "127.0.0.1", "--port", str(self.port)]
        environment = {**inherited_environment(), **self.home.environment()}
        self.group = ProcessGroup(command, environment=environment, log=self.home.root / "server.log")
        deadline = time.monotonic() + timeout
        while not self._answers():
            if not self.group.alive() or time.monotonic() > deadline:
                self.stop()
                raise LocalServerError(f"the model server did not start; see {self.group.log}\n{self.group.tail()}")
            time.sleep(0.2)
        return self

    def stop(self) -> None:
        """Stop it; it writes what is left of its prediction log first."""
        if self.group:
            self.group.stop()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False
