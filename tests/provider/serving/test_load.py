"""100,000 requests through a release, a canary, an automatic rollback and a restart of each of two replicas.

Counted afterwards: no request failed, every prediction is in the log exactly once and by the version that the client
was told, and in every step both versions had the share that the step gives them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import chisquare
from tests.provider.conftest import Bench
from tests.provider.serving.conftest import Server

from mlops_dag_factory.spec import ReleaseSpec
from mlops_provider.exceptions import ReleaseRolledBackError
from mlops_provider.runtime.contract import Outcome
from mlops_provider.runtime.release import advance
from mlops_provider.store.service_reports import live_reports
from mlops_provider.store.services import read_service, service_history
from mlops_provider.store.standing import read_standing

REQUESTS, RATE = 100_000, 1100
STEPS = [{"weight": 10, "for": "12s"}, {"weight": 50, "for": "12s"}]
GOOD, MOVED = "sklearn.linear_model.LogisticRegression", "sklearn.dummy.DummyClassifier"


class Control:
    """Releases and restarts while clients ask; `windows` are the times in which weights held on every replica."""

    def __init__(self, root):
        self.bench = Bench(root)
        self.store = self.bench.store
        self.replicas = []
        self.windows = []
        self.restarts = 0

    def start(self):
        self.replicas = [Server(self.store, "--drain", "1", "--request-log", "none") for _ in range(2)]
        for replica in self.replicas:
            replica.wait("/health")

    def restart(self, number):
        old = self.replicas[number]
        assert old.stop() == 0
        new = Server(self.store, "--drain", "1", "--request-log", "none", port=old.port)
        self.replicas[number] = new
        new.wait("/ready")
        self.restarts += 1

    def version(self, estimator, run_id, **parameters):
        return self.bench.version(self.bench.model(estimator=estimator, parameters=parameters)[0], run_id=run_id)

    def release(self, spec, version, run_id, *, restarting=()):
        """Look after a release as its task does; restart a replica in each of some steps."""
        restarting = list(restarting)
        while True:
            found = advance(spec, {"model": [version]}, self.bench.context("live", "release", run_id=run_id))
            if isinstance(found, Outcome):
                return found
            service = read_service(self.store, "flow", "production")
            if not self.windows or self.windows[-1]["revision"] != service.revision:
                self.settle(service.revision)
                weights = {one.version: one.weight for one in service.versions}
                self.windows.append({"revision": service.revision, "from": time.time(), "weights": weights})
                if restarting:
                    self.restart(restarting.pop())
            time.sleep(found.seconds)

    def settle(self, revision):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            reports = live_reports(self.store, "flow", "production")
            if len(reports) == 2 and all(report.revision >= revision for report in reports):
                return
            time.sleep(0.1)
        raise AssertionError(f"the replicas do not follow to revision {revision}")

    def logged(self):
        files = sorted((Path(self.store.url) / "flow/predictions/production").rglob("*.parquet"))
        columns = ["request_id", "row", "version", "role", "status"]
        return pd.concat([pd.read_parquet(file, columns=columns, partitioning=None) for file in files])

    def stop(self):
        for replica in self.replicas:
            replica.stop()


@pytest.fixture
def control(tmp_path):
    made = Control(tmp_path)
    yield made
    made.stop()


@pytest.mark.timeout(600)
def test_a_hundred_thousand_requests_through_releases_rollback_and_restarts(control, tmp_path, record_property):
    first = control.version(GOOD, "run-1", max_iter=2000, C=0.5)
    control.start()
    control.release(ReleaseSpec(model="m", wait="60s"), first, "run-1")
    control.settle(1)
    stop, out = tmp_path / "stop", tmp_path / "answers.csv"
    out.with_suffix(".bodies").write_text("\n".join(bodies()))
    urls = [replica.url for replica in control.replicas]
    script = Path(__file__).with_name("load_client.py")
    arguments = [str(REQUESTS), str(RATE), str(stop), str(out), "/flow/production/invocations", *urls]
    clients = subprocess.Popen([sys.executable, str(script), *arguments])
    canary = {"strategy": "canary", "steps": STEPS, "every": "2s", "minimum_requests": 500, "wait": "60s"}

    second = control.version(GOOD, "run-2", max_iter=2000, C=2.0)
    control.release(ReleaseSpec(model="m", watch=["error_rate == 0"], **canary), second, "run-2", restarting=[1, 0])
    third = control.version(MOVED, "run-3", strategy="constant", constant=1)
    with pytest.raises(ReleaseRolledBackError, match=r"prediction_drift = 0\.\d+: prediction_drift <= 0.2 does not"):
        control.release(ReleaseSpec(model="m", watch=["prediction_drift <= 0.2"], **canary), third, "run-3")
    control.settle(read_service(control.store, "flow", "production").revision)
    stop.touch()
    assert clients.wait(300) == 0
    control.stop()

    answers, logged = pd.read_csv(out, dtype={"version": str}), control.logged()
    assert len(answers) >= REQUESTS
    assert answers.id.is_unique
    assert answers.status.value_counts().to_dict() == {200: len(answers)}  # no failed request
    assert not logged.duplicated(["request_id", "row"]).any()
    joined = answers.merge(logged, left_on="id", right_on="request_id", how="outer", suffixes=("", "_logged"))
    assert len(joined) == len(answers) == len(logged)  # every prediction is logged, once, and nothing else is
    assert (joined.version == joined.version_logged).all()
    assert set(answers.version) == {"1", "2", "3"}
    assert control.restarts == 2
    assert read_standing(control.store, "flow").champion.version == "2"
    shares = shares_in(control.windows, answers, service_history(control.store, "flow", "production"))
    assert len(shares) == 3  # two steps of the canary that held, one of the one that did not
    assert min(share["p"] for share in shares) > 1e-6, shares  # a weight that is off by 3 in 100 gives 1e-11
    record_property("requests", len(answers))
    record_property("tried_again_on_the_other_replica", int((answers.tries > 1).sum()))
    record_property("shares", json.dumps(shares))


def bodies():
    """Give a body for each row of the data."""
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).data
    columns = list(frame.columns)
    return [json.dumps({"dataframe_split": {"columns": columns, "data": [row]}}) for row in frame.to_numpy().tolist()]


def shares_in(windows, answers, states):
    """Compare what each version answered with its weight, in the times in which no weight changed."""
    ends = {state.revision: pd.Timestamp(state.change.at).timestamp() for state in states}
    found = []
    for window in windows:
        if window["revision"] + 1 not in ends:
            continue
        within = answers[(answers.sent >= window["from"]) & (answers.answered <= ends[window["revision"] + 1])]
        weights = {name: weight for name, weight in window["weights"].items() if weight}
        if len(weights) < 2:
            continue
        counted = [int((within.version == name).sum()) for name in weights]
        expected = [len(within) * weight / 100 for weight in weights.values()]
        assert sum(counted) == len(within)
        found.append({"weights": weights, "counted": counted, "p": float(chisquare(counted, expected).pvalue)})
    return found
