"""A worker: one server process on the supervisor's socket. `python -m mlops_provider.serving.worker < task`."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

from mlops_provider.serving.options import ServeOptions
from mlops_provider.serving.server import run_server, start_logging

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Read the task, serve, and end when the supervisor ends or says so."""
    task = json.loads(sys.stdin.buffer.readline())
    options = ServeOptions.from_dict(task["options"])
    start_logging(options)

    def watch(stop: Callable[[], None]) -> None:
        def wait() -> None:
            while os.read(sys.stdin.fileno(), 1):
                pass
            stop()

        threading.Thread(target=wait, name="supervisor-watch", daemon=True).start()

    listening = socket.socket(fileno=task["socket"])
    run_server(options, listening, server_id=task["server_id"], look_first=task["look_first"], on_ready=watch)


if __name__ == "__main__":
    main()
