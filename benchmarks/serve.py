"""The model server, with its prediction log on, against MLflow's scoring server and against predict in process.

One HistGradientBoosting model on scikit-learn's breast cancer data (30 features). Every server is one process with
OMP_NUM_THREADS=1; the same client sends the same bytes over one kept-alive connection, one request at a time, in turns.

Figures: batch1_vs_mlflow and batch1000_vs_mlflow are requests per second as a multiple of MLflow's (higher is better);
batch1_vs_in_process is the share of what predict gives without any server; p99_ms is for one row; peak_mb is the
server's largest resident memory.

Beside them, each against the same server asked in the same turns: canary and shadow are what two versions at 50 % and a
shadow cost for one row (1.0: nothing); batching is requests per second with 16 single rows waiting at once, as a
multiple of predicting each alone, two_workers as a multiple of one. Two workers need two cores beside the client's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mlops_provider.refs import ModelRef
    from mlops_provider.store.store import Store

WORKFLOW, ENVIRONMENT = "benchmark", "production"
ALONE = """
import sys, time, pathlib
from mlops_provider.store import skops_file
import numpy as np
model = skops_file.load(pathlib.Path(sys.argv[1]))
rows, seconds = np.load(sys.argv[2]), float(sys.argv[3])
for i in range(50): model.predict(rows[[i]])
print("ready", flush=True)
for line in sys.stdin:
    size, number = (int(part) for part in line.split())
    batch = np.resize(rows, (size, rows.shape[1]))
    started = time.perf_counter()
    for i in range(number): model.predict(batch)
    print(number / (time.perf_counter() - started), flush=True)
"""
"""Predict in a process of its own, on a plain matrix: the fastest that the library allows."""


class Client:
    """One kept-alive HTTP/1.1 connection that does as little as possible besides waiting."""

    def __init__(self, port: int, path: str) -> None:
        self.head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, body: bytes) -> bytes:
        """Give the bytes of a request."""
        return f"{self.head}{len(body)}\r\n\r\n".encode() + body

    def send(self, request: bytes) -> bytes:
        """Send a request, wait for the whole answer, give its body."""
        self.socket.sendall(request)
        return self.receive()

    def receive(self) -> bytes:
        """Wait for the whole answer, give its body."""
        answer = self.socket.recv(1 << 16)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self.socket.recv(1 << 16)
        head = answer[:end].lower()
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(answer[:500].decode(errors="replace"))
        start = head.index(b"content-length:") + len(b"content-length:")
        length = int(head[start:].split(b"\r\n", 1)[0])
        parts, size = [answer[end + 4 :]], len(answer) - end - 4
        while size < length:
            parts.append(self.socket.recv(1 << 20))
            size += len(parts[-1])
        return b"".join(parts)

    def rate(self, request: bytes, number: int) -> tuple[float, list[float]]:
        """Give requests per second and the milliseconds of each."""
        times = []
        started = time.perf_counter()
        for _ in range(number):
            before = time.perf_counter()
            self.send(request)
            times.append((time.perf_counter() - before) * 1000)
        return number / (time.perf_counter() - started), times


class Crowd:
    """Many clients whose requests wait at the same moment."""

    def __init__(self, port: int, path: str, size: int = 16) -> None:
        connect(port, "/ready", path)
        self.clients = [Client(port, path) for _ in range(size)]

    def request(self, body: bytes) -> bytes:
        """Give the bytes of a request."""
        return self.clients[0].request(body)

    def rate(self, request: bytes, number: int) -> tuple[float, list[float]]:
        """Give requests per second."""
        waves = max(1, number // len(self.clients))
        started = time.perf_counter()
        for _ in range(waves):
            for client in self.clients:
                client.socket.sendall(request)
            for client in self.clients:
                client.receive()
        return waves * len(self.clients) / (time.perf_counter() - started), []


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    options = parser.parse_args()
    rounds, singles, batches = (3, 200, 8) if options.quick else (7, 600, 25)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="mlops-benchmark-") as scratch:
        results = measure(Path(scratch), rounds, singles, batches)
        more = measure_versions_and_crowds(Path(scratch), rounds, singles)
    medians, spread = results["medians"], results["spread"]
    rows = [
        (name, medians[name, 1], medians[name, 1000], "{:.0f} to {:.0f}".format(*spread[name, 1]))
        for name in ("in process", "mlops serve", "mlflow")
    ]
    rows += [(name, rate, "", "") for name, rate in more["rates"].items()]
    results["figures"] |= more["figures"]
    title = f"Requests per second; {results['logged']:,} predictions were logged meanwhile"
    header = ("", "batch 1", "batch 1000", "batch 1 between")
    show(title, header, rows, results["figures"], as_json=options.json)


def measure(scratch: Path, rounds: int, singles: int, batches: int) -> dict[str, Any]:
    """Start the three, let them take turns, give the medians."""
    model_file, rows_file, frame = prepare(scratch)
    our_port, their_port = free_port(), free_port()
    ours = [sys.executable, "-m", "mlops_dag_factory.cli.main", "serve", f"{WORKFLOW}/{ENVIRONMENT}"]
    ours += ["--store", str(scratch / "store"), "--port", str(our_port)]
    theirs = [sys.executable, "-m", "uvicorn", "mlflow.pyfunc.scoring_server.app:app", "--workers", "1"]
    theirs += ["--host", "127.0.0.1", "--port", str(their_port), "--log-level", "error", "--no-access-log"]
    environment = {**os.environ, "__pyfunc_model_path__": str(scratch / "mlflow"), "MLFLOW_TRACKING_URI": "file:///tmp"}
    alone = [sys.executable, "-c", ALONE, str(model_file), str(rows_file), "0"]
    with (
        process(ours) as server,
        process(theirs, env=environment),
        process(alone, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as limit,
    ):
        clients = {
            "mlops serve": connect(our_port, "/ready", "/invocations"),
            "mlflow": connect(their_port, "/ping", "/invocations"),
        }
        limit.stdout.readline()
        rates: dict[tuple[str, int], list[float]] = {}
        latencies: dict[str, list[float]] = {}
        for size, number in ((1, singles), (1000, batches)):
            body = body_of(frame, size)
            answers = {name: json.loads(client.send(client.request(body))) for name, client in clients.items()}
            predictions = [answer["predictions"] for answer in answers.values()]
            if predictions[0] != predictions[1] or len(predictions[0]) != size:
                raise RuntimeError(f"the servers disagree: {str(predictions)[:300]}")
            for turn in range(rounds + 1):  # the first warms up
                for name, client in clients.items():
                    rate, times = client.rate(client.request(body), number)
                    if turn:
                        rates.setdefault((name, size), []).append(rate)
                        latencies.setdefault(f"{name} {size}", []).extend(times)
                limit.stdin.write(f"{size} {number}\n")
                limit.stdin.flush()
                rate = float(limit.stdout.readline())
                if turn:
                    rates.setdefault(("in process", size), []).append(rate)
        peak = peak_mb(server.pid)
        logged = wait_for_log(scratch / "store")
    medians = {key: statistics.median(values) for key, values in rates.items()}
    single = sorted(latencies["mlops serve 1"])
    figures = {
        "batch1_vs_mlflow": round(medians["mlops serve", 1] / medians["mlflow", 1], 2),
        "batch1000_vs_mlflow": round(medians["mlops serve", 1000] / medians["mlflow", 1000], 2),
        "batch1_vs_in_process": round(medians["mlops serve", 1] / medians["in process", 1], 2),
        "p99_ms": round(single[int(len(single) * 0.99)], 2),
        "peak_mb": round(peak, 1),
    }
    spread = {key: (min(values), max(values)) for key, values in rates.items()}
    return {"medians": medians, "spread": spread, "logged": logged, "figures": figures}


def measure_versions_and_crowds(scratch: Path, rounds: int, number: int) -> dict[str, Any]:
    """Measure what a canary and a shadow cost, and what batches and workers give when many ask at once."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier

    from mlops_provider.store.services import Change, now, set_shadow, set_weights
    from mlops_provider.store.store import Store

    store, data = Store(scratch / "store"), load_breast_cancer(as_frame=True)
    other = HistGradientBoostingClassifier(random_state=0, max_iter=90).fit(data.data, data.target)
    for environment in ("canary", "shadow"):
        model = publish(
            store, HistGradientBoostingClassifier(random_state=0).fit(data.data, data.target), data.data, environment
        )
        second = publish(store, other, data.data, "", version="2")
        change = Change(id=f"benchmark-{environment}", action="weights", by="benchmark", at=now())
        if environment == "canary":
            set_weights(store, WORKFLOW, environment, {model.version: 50, "2": 50}, change, models=[second])
        else:
            set_shadow(store, WORKFLOW, environment, second, change)
    ports = {name: free_port() for name in ("one", "alone", "two")}
    options = {"one": [], "alone": ["--batch-rows", "0"], "two": ["--workers", "2"]}
    command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "serve", "--store", str(scratch / "store"), "--port"]
    body = body_of(data.data, 1)
    with (
        process([*command, str(ports["one"])]),
        process([*command, str(ports["alone"]), *options["alone"]]),
        process([*command, str(ports["two"]), *options["two"]]),
    ):
        path = f"/{WORKFLOW}/{{}}/invocations"
        asked: dict[str, Client | Crowd] = {
            "one version": connect(ports["one"], "/ready", path.format(ENVIRONMENT)),
            "canary at 50 %": Client(ports["one"], path.format("canary")),
            "with a shadow": Client(ports["one"], path.format("shadow")),
            "16 at once, each alone": Crowd(ports["alone"], path.format(ENVIRONMENT)),
            "16 at once, batches": Crowd(ports["one"], path.format(ENVIRONMENT)),
            "16 at once, two workers": Crowd(ports["two"], path.format(ENVIRONMENT)),
        }
        time.sleep(2)  # the second worker
        rates: dict[str, list[float]] = {name: [] for name in asked}
        for turn in range(rounds + 1):  # the first warms up
            for name, client in asked.items():
                rate, _ = client.rate(client.request(body), number)
                if turn:
                    rates[name].append(rate)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    figures = {
        "canary": round(medians["canary at 50 %"] / medians["one version"], 2),
        "shadow": round(medians["with a shadow"] / medians["one version"], 2),
        "batching": round(medians["16 at once, batches"] / medians["16 at once, each alone"], 2),
        "two_workers": round(medians["16 at once, two workers"] / medians["16 at once, batches"], 2),
    }
    return {"rates": medians, "figures": figures}


def prepare(scratch: Path) -> tuple[Path, Path, pd.DataFrame]:
    """Fit one model; publish it for our server and save it for MLflow's."""
    import mlflow.sklearn
    import numpy as np
    from mlflow.models import infer_signature
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier

    from mlops_provider.store import skops_file
    from mlops_provider.store.store import Store

    data = load_breast_cancer(as_frame=True)
    frame, target = data.data, data.target
    model = HistGradientBoostingClassifier(random_state=0).fit(frame, target)
    signature = infer_signature(frame, model.predict(frame))
    mlflow.sklearn.save_model(
        model, scratch / "mlflow", signature=signature, pip_requirements=["scikit-learn"], serialization_format="pickle"
    )
    publish(Store(scratch / "store"), model, frame)
    plain = HistGradientBoostingClassifier(random_state=0).fit(frame.to_numpy(), target)
    (scratch / "plain.skops").write_bytes(skops_file.dumps(plain))
    np.save(scratch / "rows.npy", frame.to_numpy())
    return scratch / "plain.skops", scratch / "rows.npy", frame


def publish(
    store: Store, model: Any, frame: pd.DataFrame, environment: str = ENVIRONMENT, version: str = "1"
) -> ModelRef:
    """Put the model into the store and give it all traffic of an environment, if one is named."""
    from sklearn.pipeline import Pipeline

    from mlops_provider.refs import ModelRef
    from mlops_provider.store.models import PREDICTION_COLUMN, Feature, Signature, save_model
    from mlops_provider.store.services import Change, ServedVersion, now, set_version

    features = tuple(Feature(name, "float") for name in frame.columns)
    signature = Signature(
        task="classification", features=features, target="target", target_type="integer", classes=(0, 1)
    )
    sample = frame.assign(**{PREDICTION_COLUMN: model.predict(frame)})
    with store.scratch() as folder:
        save_model(folder, Pipeline([("estimator", model)]), golden=sample.head(20), baseline=sample)
        published = store.publish(WORKFLOW, "models", folder, {"signature": signature.to_dict()})
    ref = ModelRef(uri=published.uri, digest=published.digest, name=WORKFLOW, version=version)
    if environment:
        change = Change(id="benchmark", action="deploy", by="benchmark", at=now())
        set_version(store, WORKFLOW, environment, ServedVersion(version=version, model=ref), change)
    return ref


def body_of(frame: pd.DataFrame, rows: int) -> bytes:
    """Give a body in MLflow's form."""
    data = [frame.iloc[i % len(frame)].tolist() for i in range(rows)]
    return json.dumps({"dataframe_split": {"columns": list(frame.columns), "data": data}}).encode()


@contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a child process for a while."""
    child = subprocess.Popen(command, **options)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def connect(port: int, ready: str, path: str) -> Client:
    """Wait until a server is ready, then connect."""
    from urllib.request import urlopen

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5) as answer:
            if answer.status == 200:
                return Client(port, path)
        time.sleep(0.2)
    raise RuntimeError(f"no server is ready at port {port}")


def wait_for_log(store: Path) -> int:
    """Give the number of logged rows, as proof that the log was on."""
    import pyarrow.parquet as pq

    time.sleep(2.5)
    files = (store / WORKFLOW / "predictions").rglob("*.parquet")
    return sum(pq.read_metadata(file).num_rows for file in files)


def peak_mb(pid: int) -> float:
    """Give the largest resident memory of a process in MB (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def free_port() -> int:
    """Give a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
