"""Our own metrics, as a StatsD server receives them from tasks of a real run, and as they are documented."""

from __future__ import annotations

import gzip
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as collector

from mlops_dag_factory.local.home import LocalHome, inherited_environment
from mlops_provider.operators.telemetry import METRICS

ROOT = Path(__file__).resolve().parents[3]
WORKFLOW = """
workflow: mini
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  model: {type: train, data: rows, target: target, estimator: sklearn.naive_bayes.GaussianNB}
  quality: {type: evaluate, model: model, data: rows, gates: ["accuracy >= 0.5"], evidently: false}
  strict: {type: evaluate, model: model, data: rows, gates: ["accuracy >= 2"], evidently: false}
monitor:
  schedule: null
  checks: {data_drift: {}}
"""
RUN = """
import sys
from pathlib import Path
from airflow.sdk import conf
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from mlops_dag_factory.local.home import LocalHome
from mlops_dag_factory.spec import Workflow

# As Airflow's task runner begins, which `dag.test` leaves out.
legacy = conf.getboolean("metrics", "legacy_names_on")
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=legacy)
LocalHome(Path(sys.argv[3])).migrate()
for dag in Workflow.read(Path(sys.argv[1])).dags():
    dag.fileloc = sys.argv[2]
    dag.test(logical_date=None)
"""


class Collector(BaseHTTPRequestHandler):
    """Takes OpenTelemetry's metrics over HTTP."""

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""


def run_both(folder, metrics):
    """Run the workflow and its monitor with some settings of [metrics]."""
    home = LocalHome(folder)
    home.create()
    file = home.workflows / "mini.yaml"
    file.write_text(WORKFLOW)
    environment = {
        **inherited_environment(),
        **home.environment(),
        **{f"AIRFLOW__METRICS__{name}": value for name, value in metrics.items()},
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", RUN, str(file), str(home.dags / "load_workflows.py"), str(home.root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def packets(tmp_path_factory):
    """Give what a StatsD server got."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        port = str(server.getsockname()[1])
        run_both(
            tmp_path_factory.mktemp("statsd"), {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": port}
        )
        server.settimeout(1)
        found = []
        try:
            while True:
                found += server.recv(65536).decode().splitlines()
        except TimeoutError:
            pass
    return [packet.removeprefix("airflow.") for packet in found if ".mlops." in packet]


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """Give what an OpenTelemetry collector got: (name, the tags' values in the order of METRICS) -> the last value."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.requests = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {"OTEL_ON": "True", "OTEL_HOST": "127.0.0.1", "OTEL_PORT": str(server.server_port)}
    run_both(tmp_path_factory.mktemp("otel"), {**settings, "OTEL_SSL_ACTIVE": "False"})
    server.shutdown()
    found = {}
    for content in server.requests:
        message = collector.ExportMetricsServiceRequest.FromString(content)
        metrics = [m for one in message.resource_metrics for scope in one.scope_metrics for m in scope.metrics]
        for metric in metrics:
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                tags = {each.key: each.value.string_value for each in point.attributes}
                name = metric.name.removeprefix("airflow.")
                if name in METRICS:
                    value = point.sum if "istogram" in kind else point.as_double or point.as_int
                    found[name, *(tags[tag] for tag in METRICS[name].tags)] = value
    return found


@pytest.mark.timeout(300)
def test_an_opentelemetry_collector_gets_the_same_with_tags(points):
    assert points["mlops.phase.finished", "mini", "model", "succeeded"] == 1
    assert points["mlops.phase.finished", "mini", "strict", "blocked"] == 1
    assert points["mlops.verdict", "mini", "quality", "passed"] == 1
    assert 0.9 < points["mlops.metric", "mini", "quality", "accuracy"] <= 1
    assert points["mlops.phase.duration", "mini", "model"] > 0
    assert points["mlops.decision", "mini", "none"] == 1


@pytest.mark.timeout(300)
def test_a_statsd_server_gets_durations_verdicts_and_metric_values_of_each_phase(packets):
    assert "mlops.phase.finished.mini.model.succeeded:1|c" in packets
    assert "mlops.verdict.mini.quality.passed:1|c" in packets
    [accuracy] = [packet for packet in packets if packet.startswith("mlops.metric.mini.quality.accuracy:")]
    assert 0.9 < float(accuracy.partition(":")[2].partition("|")[0]) <= 1
    durations = [packet for packet in packets if packet.startswith("mlops.phase.duration.mini.model:")]
    assert [packet.endswith("|ms") for packet in durations] == [True]


def test_a_checkpoint_that_stops_the_run_is_sent_as_blocked(packets):
    assert "mlops.phase.finished.mini.strict.blocked:1|c" in packets
    assert not any(packet.startswith("mlops.phase.finished.mini.strict.succeeded") for packet in packets)


def test_the_monitors_decision_is_sent(packets):
    assert "mlops.decision.mini.none:1|c" in packets
    assert "mlops.breach.mini:0.0|g" in packets
    assert "mlops.verdict.mini.check.vacuous:1|c" in packets


def test_the_documented_table_is_what_is_sent():
    text = (ROOT / "docs" / "monitoring.md").read_text()

    rows = dict(re.findall(r"^\| `(mlops\.[a-z.]+)` \| (\w+) \|", text, flags=re.MULTILINE))

    assert rows == {name: metric.kind for name, metric in METRICS.items()}
