"""How a service answered: by its log, all of it; by its servers; by Prometheus. A source that fails loses no report."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest
from tests.provider.runtime.monitor.test_exposition import expressions
from tests.provider.runtime.rollout.conftest import Fleet, Flow

from mlops_dag_factory.reading import inspect_text
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.runtime.monitor.service.sources import ask
from mlops_provider.runtime.phase import run_phase


def results(outcome):
    return {rule.rule: (rule.result, rule.why) for rule in outcome.verdict.rules}


def service_of(watched, outcome):
    return json.loads((watched.report(outcome) / "report.json").read_bytes())["service"]


def test_every_request_of_a_large_window_counts_although_few_rows_are_kept(digits):
    rows = digits.rows.sample(3000, replace=True, random_state=1)
    latency = np.linspace(1, 100, 3000)
    digits.log(rows, latency_ms=latency, status=np.where(np.arange(3000) < 30, 500, 200).astype("int16"))

    _, outcome, _ = digits.look(window={"size": "1h", "kept": 200}, checks={"service": ["requests >= 3000"]})

    metrics = outcome.metrics
    assert metrics["requests"] == 3000
    assert metrics["requests_per_s"] == pytest.approx(3000 / 3600)
    assert metrics["error_rate"] == pytest.approx(0.01)
    assert metrics["latency_p50_ms"] == pytest.approx(np.quantile(latency, 0.5))
    assert metrics["latency_p99_ms"] == pytest.approx(np.quantile(latency, 0.99))
    assert outcome.verdict.status == "passed"


def test_an_id_that_a_client_repeats_is_two_requests_and_the_rows_of_one_request_are_one(digits):
    table = digits.table(digits.rows.head(200))
    table["request_id"] = "again"
    table["ts"] = table["ts"].iloc[0]
    table["row"] = np.arange(200, dtype="int32")
    later = table.assign(ts=table["ts"] + np.timedelta64(1, "ms"), status=np.int16(500), prediction=None)
    digits.write(table)
    digits.write(later.head(1))

    _, outcome, _ = digits.look(checks={"service": ["error_rate <= 0.4"]})

    assert (outcome.metrics["requests"], outcome.metrics["error_rate"]) == (2, 0.5)
    assert "requests_per_s" not in outcome.metrics, "a millisecond has no rate"
    assert outcome.verdict.status == "blocked"


def test_without_servers_what_only_they_know_is_not_judged_and_that_is_said(digits):
    digits.log(digits.rows)

    _, outcome, _ = digits.look(checks={"service": ["saturation <= 0.8", "latency_p95_ms <= 50"]})

    result, why = results(outcome)["saturation <= 0.8"]
    assert (result, "no server follows the service" in why) == ("not_applicable", True)
    assert results(outcome)["latency_p95_ms <= 50"][0] == "passed"
    assert service_of(digits, outcome)["not_measured"]["saturation"] == "no server follows the service"


class Live:
    """A service on a real server, asked a little."""

    def __init__(self, root):
        self.fleet = Fleet(root)
        self.fleet.start()
        self.flow = Flow(self.fleet, "flow")
        self.flow.live()
        self.flow.ask(40)
        self.settled()

    def settled(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not list(
            self.fleet.bench.root.glob("store/flow/predictions/**/*.parquet")
        ):
            time.sleep(0.1)
        time.sleep(1.2)  # the log is written once a second

    def check(self, connections=None, **fields):
        spec = MonitorSpec(**{"policy": {"minimum_rows": 5}, "window": {"size": "10m"}, **fields})
        bench = self.fleet.bench
        window = run_phase(spec, {}, bench.context("window", "monitor.window", run_id="monitor__1")).outcome
        given = {name: [ref] for name, ref in window.outputs.items()}
        context = bench.context("check", "monitor.check", run_id="monitor__1", connections=connections or {})
        return run_phase(spec, given, context).outcome


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.fleet.stop()


def test_saturation_and_memory_come_from_the_servers_own_metrics(live):
    outcome = live.check(checks={"service": ["saturation <= 0.9", "memory_mb <= 4000", "servers >= 1"]})

    assert outcome.verdict.status == "passed"
    assert outcome.metrics["servers"] == 1
    assert outcome.metrics["saturation"] == 0
    assert 20 < outcome.metrics["memory_mb"] < 4000


def test_the_server_counts_what_is_in_work_and_its_processor_time(live):
    text = httpx.get(f"{live.fleet.url}/metrics").text

    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["mlops_requests_in_flight"]) == 0
    assert float(values["mlops_requests_capacity"]) == 256
    assert float(values["process_cpu_seconds_total"]) > 0


class Prometheus(BaseHTTPRequestHandler):
    """Answers as Prometheus's documented HTTP API does: what the server's `answers` has for a query."""

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append((self.path, form, self.headers.get("Authorization")))
        status, answer = self.server.answers.get(form["query"][0], (200, vector()))
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Say nothing."""


def vector(*values):
    result = [{"metric": {"instance": str(i)}, "value": [0, value]} for i, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.fixture
def prometheus():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
    server.asked, server.answers = [], {}
    server.url = f"http://127.0.0.1:{server.server_port}/prom"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_queries_of_ones_own_are_asked_with_service_version_and_window_filled_in(live, prometheus):
    query = 'queue{service="$service",version="$version"}[$window]'
    prometheus.answers['queue{service="flow/production",version="1"}[600s]'] = (200, vector("7"))
    address = json.dumps({"url": prometheus.url, "token": "let-me-in"})

    outcome = live.check(
        connections={"metrics": address},
        checks={"service": ["queue <= 5"]},
        service={"prometheus": "metrics", "metrics": {"queue": query}},
    )

    assert outcome.metrics["queue"] == 7
    assert results(outcome)["queue <= 5"][0] == "failed"
    [(path, form, login)] = prometheus.asked
    assert (path, login) == ("/prom/api/v1/query", "Bearer let-me-in")
    assert abs(float(form["time"][0]) - time.time()) < 60


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, vector("1", "2")), "it gives 2 series"),
        ((200, vector()), "Prometheus has nothing for the query"),
        ((200, vector("NaN")), "it gives NaN"),
        ((200, {"status": "success", "data": {"resultType": "matrix", "result": []}}), "it gives a matrix"),
        ((400, {"status": "error", "error": "parse error: unexpected end"}), "refuses the query: parse error"),
        ((503, b"<html>busy</html>"), "Prometheus does not answer: status 503"),
    ],
)
def test_an_answer_that_is_no_number_says_why(prometheus, answer, said):
    prometheus.answers["up"] = answer

    value, why = ask({"url": prometheus.url}, "up", 0.0)

    assert value is None
    assert said in why


def test_a_prometheus_that_is_gone_loses_neither_report_nor_secret(live):
    address = json.dumps({"url": "http://127.0.0.1:9", "user": "ana", "password": "s3cret"})

    outcome = live.check(
        connections={"metrics": address},
        checks={"service": ["saturation <= 0.9", "requests >= 1"]},
        service={"prometheus": "metrics"},
    )

    result, why = results(outcome)["saturation <= 0.9"]
    assert (result, "Prometheus does not answer (ConnectError)" in why) == ("not_applicable", True)
    assert results(outcome)["requests >= 1"][0] == "passed"
    assert "s3cret" not in why


@pytest.fixture(scope="module")
def real_prometheus(live, tmp_path_factory):
    """Start the real Prometheus, which scrapes the server; where it is not installed, nothing is proven."""
    program = shutil.which("prometheus")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    target = live.fleet.url.removeprefix("http://")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 250ms, evaluation_interval: 250ms}\n"
        f"scrape_configs: [{{job_name: mlops, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    flags = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, *flags, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    ready = "count(count_over_time(mlops_requests_in_flight[1m]) > 3)"
    try:
        while ask({"url": url}, ready, time.time())[0] is None:
            if time.monotonic() > deadline:
                pytest.fail((folder / "log").read_text()[-2000:])
            live.flow.ask(2)
            time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def test_the_real_prometheus_knows_every_name_that_we_ask_it_for(live, real_prometheus):
    gates = ["saturation <= 0.9", "memory_mb <= 4000", "servers >= 1", "cpu_cores <= 64"]
    gates += ["refused_per_s <= 1", "log_dropped_per_s <= 0", "p99_s <= 10"]
    p99 = 'histogram_quantile(0.99, sum by (le) (rate(mlops_request_seconds_bucket{service="$service"}[$window])))'

    outcome = live.check(
        connections={"metrics": json.dumps({"url": real_prometheus})},
        checks={"service": gates},
        service={"prometheus": "metrics", "metrics": {"p99_s": p99}},
    )

    assert {gate: result for gate, (result, _) in results(outcome).items()} == dict.fromkeys(gates, "passed")
    assert outcome.metrics["servers"] == 1
    assert 0 < outcome.metrics["p99_s"] < 10


def test_the_real_prometheus_understands_every_query_of_the_dashboard(real_prometheus):
    for query in expressions():
        if not query.startswith("label_values"):
            filled = query.replace("$service", "flow/production").replace("$__rate_interval", "1m")

            _, why = ask({"url": real_prometheus}, filled, time.time())

            assert "refuses" not in why, query


WORKFLOW = """
workflow: flow
phases: {data: {type: ingest, source: a.csv}}
monitor:
  environment: production
  checks: {service: ["latency_p59_ms < 3", "refused_per_s < 1", "queue < 2"]}
"""


def test_a_name_that_nothing_measures_is_a_mistake_of_the_file():
    found = [p for p in inspect_text(WORKFLOW, "f.yaml").problems if p.code == "gate"]

    assert [problem.path for problem in found] == [f"monitor.checks.service[{i}]" for i in range(3)]
    assert found[0].hint.startswith("did you mean 'latency_p")
    assert found[1].hint == "service: {prometheus: <connection id>}"
    with_source = WORKFLOW + "  service: {prometheus: metrics, metrics: {queue: up}}\n"
    assert len([p for p in inspect_text(with_source, "f.yaml").problems if p.code == "gate"]) == 1
