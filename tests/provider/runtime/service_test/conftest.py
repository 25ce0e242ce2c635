"""Real model servers beside a bench, and services that misbehave on purpose."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from mlops_dag_factory.spec import TestServiceSpec
from mlops_provider.refs import ServiceRef
from mlops_provider.store.services import Change, ServedVersion, now, set_version

QUICK = {"requests": 20, "concurrency": [], "answer_within": "2s"}


class Ground:
    """A bench with a registered model, services of it, and whoever answers for them."""

    def __init__(self, bench):
        self.bench = bench
        self.open = []

    def version(self, run_id="run-1", **fields):
        model, _, _ = self.bench.model("sklearn:breast_cancer", **fields)
        return self.bench.version(model, run_id=run_id)

    def deploy(self, version, url, environment="staging"):
        """Write the record of a service, as a deployment does."""
        change = Change(id=f"{environment}-{version.version}", action="deploy", by="ana", at=now())
        served = ServedVersion(version=version.version, model=version)
        state = set_version(self.bench.store, "flow", environment, served, change)
        uri = self.bench.store.uri(state.key)
        name = f"flow/{environment}"
        return ServiceRef(uri=uri, digest=version.digest, name=name, version=version.version, revision=1, url=url)

    def serve(self):
        """Start a model server for all services of the store; give its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "serve", "--port", str(port)]
        process = subprocess.Popen([*command, "--store", self.bench.store.url])
        self.open.append(process.kill)
        self.process = process
        return f"http://127.0.0.1:{port}"

    def wait(self, url):
        """Wait until a service answers."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/ready").is_success:
                    return url
            time.sleep(0.1)
        raise AssertionError(f"{url} is not ready")

    def misbehave(self, behave, document=None):
        """Start a service that does with each request what `behave(handler, number)` says; give its address.

        `document` is what it claims to be, as OpenAPI.
        """
        count = iter(range(10**9))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.say(200, json.dumps(document or {}).encode() if self.path == "/openapi.json" else b"{}")

            def do_POST(self):
                self.sent = self.rfile.read(int(self.headers["content-length"]))
                behave(self, next(count))

            def say(self, status, content):
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def predict(self):
                rows = json.loads(self.sent)["dataframe_split"]["data"]
                self.say(200, json.dumps({"predictions": [1] * len(rows)}).encode())

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        server = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.open.append(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}", server

    def test(self, service, **fields):
        spec = TestServiceSpec(service="s", **{**QUICK, "on_fail": "skip", **fields})
        run_id = f"test-{time.monotonic_ns()}"
        return self.bench.run(spec, {"service": service}, run_id=run_id)

    def report(self, outcome, name="report.html"):
        return (self.bench.store.open(outcome.outputs["report"]).folder / name).read_text()


@pytest.fixture
def ground(bench, monkeypatch):
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    made = Ground(bench)
    yield made
    for close in made.open:
        close()
