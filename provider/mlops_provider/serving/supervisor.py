"""The supervisor: starts workers on one socket, starts another when one dies, and ends them together.

The socket belongs to the supervisor: a worker that dies takes no waiting connection with it. What is secret reaches a
worker through its standard input, which stays open: when it ends, the supervisor is gone and the worker ends too.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

from mlops_provider.serving.options import METRICS_VARIABLE
from mlops_provider.serving.server import server_id
from mlops_provider.store.service_reports import remove_report
from mlops_provider.store.services import list_service_names
from mlops_provider.store.store import Store

if TYPE_CHECKING:
    import socket

    from mlops_provider.serving.options import ServeOptions

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 20.0
_YOUNG_SECONDS = 5.0
_LONGEST_PAUSE = 30.0
_REPORT_SECONDS = 5.0


class Worker:
    """One worker process; the number is its place, which its successor takes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.deaths = 0
        self.not_before = 0.0


class Supervisor:
    """Keeps the workers running."""

    def __init__(self, options: ServeOptions, listening: socket.socket) -> None:
        self.options = options
        self.socket = listening
        self.id = server_id(options.port)
        self.workers = [Worker(number) for number in range(options.workers)]
        self.metrics = tempfile.mkdtemp(prefix="mlops-metrics-")
        self._stopping = False
        os.environ[METRICS_VARIABLE] = self.metrics
        from prometheus_client import CollectorRegistry, Counter

        self._restarts = Counter("mlops_worker_restarts", "Workers that died.", registry=CollectorRegistry())

    def run(self) -> None:
        """Run until a signal says to end; then let the workers end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            for worker in self.workers:
                self._start(worker)
            while not self._stopping:
                for worker in self.workers:
                    self._look_after(worker)
                time.sleep(_POLL_SECONDS)
        finally:
            self._end()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self, worker: Worker) -> None:
        handle = self.socket.fileno()
        task = {
            "options": self.options.to_dict(),
            "socket": handle,
            "server_id": f"{self.id}-{worker.number}",
            "look_first": worker.deaths > 0 or worker.started > 0,
        }
        environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        worker.process = subprocess.Popen(
            [sys.executable, "-m", "mlops_provider.serving.worker"],
            stdin=subprocess.PIPE,
            pass_fds=[handle],
            env=environment,
            start_new_session=True,  # a Ctrl-C is for the supervisor, who lets them end
        )
        worker.started = time.monotonic()
        if worker.process.stdin:
            worker.process.stdin.write(json.dumps(task).encode() + b"\n")
            worker.process.stdin.flush()

    def _look_after(self, worker: Worker) -> None:
        now = time.monotonic()
        if worker.process is None:
            if now >= worker.not_before:
                self._start(worker)
            return
        code = worker.process.poll()
        if code is None:
            return
        if worker.process.stdin:
            worker.process.stdin.close()
        self._take_back_report(worker)
        lived, worker.process = now - worker.started, None
        worker.deaths = worker.deaths + 1 if lived < _YOUNG_SECONDS else 0
        pause = min(_LONGEST_PAUSE, 2.0 ** (worker.deaths - 1)) if worker.deaths else 0.0
        worker.not_before = now + pause
        self._restarts.inc()
        _LOG.error("worker %d ended with %d after %.1f s; another starts in %.0f s", worker.number, code, lived, pause)

    def _take_back_report(self, worker: Worker) -> threading.Thread:
        """Remove what a worker that died still seems to say; in a thread, for the store may be away."""

        def remove() -> None:
            if self.options.model_folder:
                return  # without records there are no reports
            store, service = Store(self.options.store_url), self.options.service
            try:
                for name in [service] if service else list_service_names(store):
                    remove_report(store, *name, f"{self.id}-{worker.number}")
            except Exception:  # noqa: BLE001 (it is forgotten after some seconds anyway)
                _LOG.warning("the report of worker %d could not be removed", worker.number)

        thread = threading.Thread(target=remove, name="reports", daemon=True)
        thread.start()
        return thread

    def _end(self) -> None:
        running = [worker.process for worker in self.workers if worker.process]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS + self.options.drain_seconds
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _LOG.error("worker process %d did not end in time", process.pid)
                process.kill()
                process.wait()
        for thread in [self._take_back_report(worker) for worker in self.workers]:
            thread.join(timeout=_REPORT_SECONDS)
        self.socket.close()
        shutil.rmtree(self.metrics, ignore_errors=True)
