"""A real model server, versions of a real regression, and clients that ask it; shared by all tests of a module."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from itertools import count

import httpx
import pandas as pd
import pytest
from tests.provider.conftest import Bench

from mlops_dag_factory.spec import ReleaseSpec
from mlops_provider.runtime.contract import Outcome
from mlops_provider.runtime.release import advance
from mlops_provider.store.chain import Chain
from mlops_provider.store.service_reports import live_reports
from mlops_provider.store.services import read_service, service_history
from mlops_provider.store.standing import read_standing

STEPS = [{"weight": 20, "for": "1s"}, {"weight": 60, "for": "1s"}]
SOURCE = "sklearn:diabetes"
GOOD, OTHER = "sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"
MOVED = "sklearn.dummy.DummyRegressor"
FRAGILE = "sklearn.linear_model.PoissonRegressor"
"""Overflows where a feature is a thousand times what it was in training."""


def canary(**fields):
    given = {"steps": STEPS, "minimum_requests": 5, "every": "200ms", "wait": "30s", **fields}
    return ReleaseSpec(model="m", strategy="canary", **given)


def until_ended(flow, spec, version, *, ask=30, times=1.0, run_id="run-2", each=lambda: None):
    """Look and ask until the release has ended; give its outcome."""
    said = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = flow.advance(spec, version, run_id)
        each()
        said.append(found)
        if isinstance(found, Outcome):
            return found
        flow.settle()
        flow.ask(ask, times=times)
        time.sleep(0.3)
    raise AssertionError(f"it did not end: {said}")


class Fleet:
    """A store with one server that follows all its services."""

    def __init__(self, root):
        self.bench = Bench(root)
        self.store = self.bench.store
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.models = {}
        self.client = httpx.Client(timeout=30)

    def start(self):
        command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "serve", "--port", str(self.port)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.bench.root / "server.log").open("a") as log:
            self.process = subprocess.Popen([*command, "--store", self.store.url], env=environment, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                return httpx.get(f"{self.url}/health")
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the server does not start")

    def stop(self):
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def model(self, estimator):
        if estimator not in self.models:
            self.models[estimator] = self.bench.model(SOURCE, estimator)[0]
        return self.models[estimator]


class Flow:
    """One workflow: version 1 is live, version 2 is to be released."""

    def __init__(self, fleet, name):
        self.fleet = fleet
        self.store = fleet.store
        self.name = name
        self.sent = count()

    def register(self, estimator, run_id):
        return self.fleet.bench.version(self.fleet.model(estimator), run_id=run_id, workflow=self.name)

    def context(self, run_id="run-2", **more):
        return self.fleet.bench.context("live", "release", run_id=run_id, workflow=self.name, **more)

    def run(self, spec, inputs, run_id):
        return self.fleet.bench.run(spec, inputs, phase="live", run_id=run_id, workflow=self.name)

    def live(self, estimator=GOOD):
        version = self.register(estimator, "run-1")
        self.run(ReleaseSpec(model="m", wait="30s"), {"model": version}, "run-1")
        return version

    def advance(self, spec, version, run_id="run-2"):
        return advance(spec, {"model": [version]}, self.context(run_id))

    def ask(self, requests=60, *, times=1.0):
        """Send single rows, some of them many times larger; give the versions that answered and the statuses."""
        from sklearn.datasets import load_diabetes

        frame = load_diabetes(as_frame=True).data
        answers = []
        for number in range(requests):
            row = frame.iloc[[number % len(frame)]] * times
            body = {"dataframe_split": {"columns": list(row.columns), "data": row.to_numpy().tolist()}}
            headers = {"X-Request-Id": f"{self.name}-{next(self.sent)}"}
            answer = self.fleet.client.post(
                f"{self.fleet.url}/{self.name}/production/invocations", json=body, headers=headers
            )
            answers.append((answer.headers.get("x-model-version"), answer.status_code))
        return pd.DataFrame(answers, columns=["version", "status"])

    def wait_for(self, revision):
        """Wait until the server has seen a revision."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            reports = live_reports(self.store, self.name, "production")
            if reports and all(report.revision >= revision for report in reports):
                return
            time.sleep(0.05)
        raise AssertionError(f"no server has seen revision {revision}")

    def settle(self):
        """Wait until the server follows the record, and until what it was asked is in the log."""
        self.wait_for(self.service().revision)

    def service(self):
        return read_service(self.store, self.name, "production")

    def shares(self):
        return {version.version: version.weight for version in self.service().versions}

    def champion(self):
        return read_standing(self.store, self.name).champion.version

    def actions(self):
        return [state.change.action for state in service_history(self.store, self.name, "production")]

    def entries(self, kind):
        return [entry for entry in Chain(self.store, self.name).entries() if entry.kind == kind]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    made.start()
    yield made
    made.stop()


_NUMBERS = count(1)


@pytest.fixture
def flow(fleet):
    return Flow(fleet, f"flow{next(_NUMBERS)}")
