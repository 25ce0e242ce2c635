"""A store and contexts for phases that run without Airflow."""

from __future__ import annotations

import json
import tempfile
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops_dag_factory.spec import IngestSpec, RegisterSpec, SplitSpec, TrainSpec
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.phase import run_phase
from mlops_provider.store.store import Store


@cache
def empty_registry():
    """Give the bytes of a registry in which nothing is yet: making one takes longer than most tests."""
    from mlops_provider.runtime.tracking import client

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mlflow.db")
        client(f"sqlite:///{file}")
        return file.read_bytes()


class Bench:
    """Runs phases in a store of their own."""

    def __init__(self, root):
        self.root = root
        (root / "mlflow.db").write_bytes(empty_registry())
        self.store = Store(root / "store")
        self.tracking_uri = f"sqlite:///{root / 'mlflow.db'}"

    def context(self, phase, phase_type, *, run_id="run-1", attempt=1, workflow="flow", **more):
        fields = {
            "store_url": self.store.url,
            "tracking_uri": self.tracking_uri,
            "data_root": str(self.root),
            **more,
        }
        return RunContext(
            workflow=workflow, run_id=run_id, phase=phase, phase_type=phase_type, attempt=attempt, owner="ana", **fields
        )

    def run(self, spec, inputs=None, *, phase="", **context):
        named = {field: [ref] for field, ref in (inputs or {}).items()}
        return run_phase(spec, named, self.context(phase or spec.type, spec.type, **context)).outcome

    def dataset(self, source, **fields):
        return self.run(IngestSpec(source=source, **fields)).outputs["data"]

    def csv(self, name, text):
        path = self.root / name
        path.write_text(text)
        return self.dataset(name)

    def model(self, source="sklearn:iris", estimator="sklearn.linear_model.LogisticRegression", **fields):
        """Ingest, split and train; give (model, train, test)."""
        parts = self.run(SplitSpec(data="d", test=0.3, seed=1), {"data": self.dataset(source)}).outputs
        fields.setdefault("parameters", {"max_iter": 2000} if "Logistic" in estimator else {})
        spec = TrainSpec(data="d", target=fields.pop("target", "target"), estimator=estimator, **fields)
        return self.run(spec, {"data": parts["train"]}).outputs["model"], parts["train"], parts["test"]

    def version(self, model, **context):
        return self.run(RegisterSpec(model="m"), {"model": model}, **context).outputs["version"]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory):
    """Give a bench that the tests of a module share: a new registry takes seconds."""
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def s3_address():
    """Start a real S3 API on this machine: moto's server, spoken to over HTTP."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def use_s3(monkeypatch):
    """Point S3's clients of this process, and of those it starts, to an address."""

    def use(address: str) -> None:
        from s3fs import S3FileSystem

        S3FileSystem.clear_instance_cache()  # one of another test knows another server
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            monkeypatch.setenv(f"AWS_{name}", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)

    return use


@pytest.fixture
def bucket(s3_address, use_s3):
    """Make a bucket; give its URL."""
    import boto3

    use_s3(s3_address)
    boto3.client("s3").create_bucket(Bucket="lake")
    return "s3://lake"


@pytest.fixture
def inbox(monkeypatch):
    """Take what is posted to the connection `owner`; give the messages."""
    messages = []

    class Inbox(BaseHTTPRequestHandler):
        def do_POST(self):
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = {"conn_type": "http", "host": "127.0.0.1", "port": server.server_port}
    monkeypatch.setenv("AIRFLOW_CONN_OWNER", json.dumps(connection))
    yield messages
    server.shutdown()
