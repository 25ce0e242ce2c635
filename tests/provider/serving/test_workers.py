"""Workers share a port: one that is killed is replaced and takes nothing with it, and an end loses nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter

import httpx
import psutil
import pytest

from mlops_provider.store.service_reports import live_reports

SERVICE = ("tumour", "production")


def workers(server):
    found = psutil.Process(server.process.pid).children(recursive=True)
    return [child for child in found if "mlops_provider.serving.worker" in " ".join(child.cmdline())]


def wait_for_reports(yard, number, timeout=90):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        reports = live_reports(yard.store, *SERVICE)
        ready = [report for report in reports if report.versions.get("1", {}).get("status") == "ready"]
        if len(ready) == number:
            return ready
        time.sleep(0.2)
    raise AssertionError(f"{reports}")


@pytest.mark.kill
@pytest.mark.timeout(300)
def test_a_killed_worker_is_replaced_while_the_others_answer(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name, "--workers", "2")
    server.wait()
    wait_for_reports(yard, 2)
    body = yard.body(tumours.head(1))
    stop, answers, broken, refused = threading.Event(), [], [], []

    def ask(thread):
        number = 0
        while not stop.is_set():
            number += 1
            name = f"{thread}-{number}"
            try:  # a connection of its own for each request: what waits in the queue is the socket's
                answer = httpx.post(f"{server.url}/invocations", json=body, headers={"X-Request-Id": name}, timeout=60)
            except httpx.TransportError:
                broken.append(name)
                continue
            (answers if answer.status_code == 200 else refused).append(name)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    victim = workers(server)[0]
    os.kill(victim.pid, signal.SIGKILL)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and (victim.is_running() or len(workers(server)) < 2):
        time.sleep(0.1)
    wait_for_reports(yard, 2)
    time.sleep(1)
    counted = httpx.get(f"{server.url}/metrics", timeout=30).text
    stop.set()
    for thread in threads:
        thread.join()
    assert server.stop() == 0

    assert refused == []
    assert len(broken) <= 3  # at most what the worker had in its hands when it was killed
    assert len(answers) > 20
    values = dict(line.rsplit(" ", 1) for line in counted.splitlines() if not line.startswith("#"))
    assert float(values["mlops_worker_restarts_total"]) == 1
    logged = yard.logged()
    missing = set(answers) - set(logged.request_id)
    assert not logged.duplicated(["request_id", "row"]).any()
    assert len(missing) < len(answers) / 2  # the second that the killed worker had not written yet
    assert live_reports(yard.store, *SERVICE) == []


@pytest.mark.timeout(300)
def test_workers_log_everything_once_and_sum_their_metrics(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name, "--workers", "2")
    server.wait()
    wait_for_reports(yard, 2)
    body = yard.body(tumours.head(2))

    names = [f"request-{i}" for i in range(80)]
    for name in names:
        headers = {"X-Request-Id": name}
        assert httpx.post(f"{server.url}/invocations", json=body, headers=headers, timeout=60).status_code == 200
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    assert server.stop() == 0

    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    who = 'role="primary",service="tumour/production"'
    assert float(values[f'mlops_requests_total{{{who},status="200",version="1"}}']) == 80
    assert float(values[f'mlops_rows_total{{{who},version="1"}}']) == 160
    assert Counter(yard.logged().request_id) == dict.fromkeys(names, 2)


@pytest.mark.kill
@pytest.mark.timeout(200)
def test_workers_end_when_their_supervisor_is_killed(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name, "--workers", "2")
    server.wait()
    running = workers(server)
    body = yard.body(tumours.head(1))
    httpx.post(f"{server.url}/invocations", json=body, headers={"X-Request-Id": "last"}, timeout=60)

    server.kill()
    gone, alive = psutil.wait_procs(running, timeout=60)

    assert (len(gone), alive) == (2, [])
    assert yard.logged().request_id.tolist() == ["last"]
