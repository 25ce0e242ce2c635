"""A model from its data to answers of a real server that the monitor has looked at: what an auditor is asked about."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.provider.conftest import Bench
from tests.provider.runtime.rollout.conftest import Fleet

from mlops_dag_factory.spec import EvaluateSpec, ReleaseSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.exceptions import DataError
from mlops_provider.runtime.approval.evidence import gather, publish
from mlops_provider.runtime.approval.ledger import Decision, decide
from mlops_provider.runtime.approval.request import Request, ask
from mlops_provider.runtime.audit.request import find_request
from mlops_provider.runtime.contract import now
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.records import note
from mlops_provider.runtime.table import read_frame
from mlops_provider.serving.model import load_served
from mlops_provider.serving.prediction_log import Entry, PredictionLog
from mlops_provider.store.services import Change, ServedVersion, read_service, set_version

FLOW = "flow"


class Story:
    """Version 1 of `flow` was made, judged, approved and released."""

    def __init__(self, bench):
        self.bench, self.store = bench, bench.store
        self.model, self.train, self.test = self.bench.model("sklearn:breast_cancer")
        self.bench.run(
            EvaluateSpec(model="m", data="d", gates=["accuracy > 0.9"], evidently=False),
            {"model": self.model, "data": self.test},
            phase="quality",
        )
        self.version = self.bench.version(self.model)
        self.approve()
        self.release()
        self.rows = read_frame(self.store, self.test).drop(columns="target")

    def approve(self):
        context = self.bench.context("approval", "approve", reason={"kind": "manual", "by": "ana"})
        report = publish(context, gather(context, ["quality"], [self.version]))
        about = {"name": FLOW, "version": self.version.version, "digest": self.version.digest}
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        request = ask(
            self.store,
            Request(
                workflow=FLOW,
                run="run-1",
                phase="approval",
                evidence=report.digest,
                report=report.uri,
                models=(about,),
                asked=now(),
                until=until,
            ),
        )
        said = Decision(
            choice="approved", user="rita", name="Rita", reason="it holds", evidence=report.digest, via="rest"
        )
        tally = decide(self.store, request, said)
        details = {"approved": True, "decisions": tally.to_list(), "models": [about], "request": request.digest}
        note(context, started=now(), summary="Approved.", details=details)

    def release(self):
        """Release it where no server runs: the promotion and the record, as the phase leaves them."""
        context = self.bench.context("live", "release")
        promotion = Promotion.of(context, self.version)
        promotion.reserve(timedelta(minutes=1))
        change = Change(id=context.identity, action="release", by="ana", at=now())
        served = ServedVersion(version=self.version.version, model=self.version)
        state = set_version(self.store, FLOW, "production", served, change)
        standing = promotion.complete({"service": state.name, "revision": state.revision})
        details = {"name": FLOW, "entry": standing.witness(FLOW)}
        note(context, started=now(), summary="Released.", details=details)

    def send(self, rows, request_id):
        """Answer as the server does, in this process, and log it with the server's own log."""
        served = load_served(self.store, read_service(self.store, FLOW, "production").primary)
        answer = served.answer(rows.to_numpy(dtype=float))
        log = PredictionLog(self.store)
        log.append(Entry(served, FLOW, "production", request_id, time.time(), 1.5, answer))
        log.close()
        return answer.predictions.tolist()

    def logged(self, request_id):
        """Wait until the log has a request: it is written once a second."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                return find_request(self.store, request_id)
            except DataError:
                time.sleep(0.2)
        return find_request(self.store, request_id)

    def monitor(self, run_id="monitor__1", **checks):
        """Let the monitor look at what was answered so far, and decide."""
        spec = MonitorSpec(checks=checks or {"data_drift": {}}, policy={"minimum_rows": 5}, window={"rows": 500})

        def run(phase, **inputs):
            context = self.bench.context(phase, f"monitor.{phase}", run_id=run_id)
            given = {name: [ref] for name, ref in inputs.items() if ref is not None}
            return run_phase(spec, given, context).outcome

        window = run("window").outputs
        check = run("check", **window)
        return run("decide", report=check.outputs["report"], **window)


class ServedStory(Story):
    """The same with a real server: the release waits for it, and it answers."""

    def __init__(self, fleet):
        self.fleet = fleet
        super().__init__(fleet.bench)

    def release(self):
        policies = self.bench.root / "policies.yaml"
        policies.write_text("high: {require: [evaluate.gates, {approve: {approvals: 1}}]}")
        release = ReleaseSpec(model="m", wait="60s", risk="high")
        self.released = self.bench.run(release, {"model": self.version}, phase="live", policies=str(policies))

    def send(self, rows, request_id):
        body = {"dataframe_split": {"columns": list(rows.columns), "data": rows.to_numpy().tolist()}}
        address = f"{self.fleet.url}/{FLOW}/production/invocations"
        answer = self.fleet.client.post(address, json=body, headers={"X-Request-Id": request_id})
        return answer.raise_for_status().json()["predictions"]


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    made = Fleet(tmp_path_factory.mktemp("audit"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def story(fleet):
    made = ServedStory(fleet)
    made.answers = made.send(made.rows.head(20), "asked-1")
    made.logged("asked-1")
    made.monitor()
    return made


@pytest.fixture(scope="session")
def unserved(tmp_path_factory):
    """The same without a server, for what needs none."""
    made = Story(Bench(tmp_path_factory.mktemp("unserved")))
    made.answers = made.send(made.rows.head(20), "asked-1")
    return made


@pytest.fixture
def harmed(story):
    """Change or remove files of the store, and put them back afterwards."""

    @contextmanager
    def harm(key, content=None):
        path = story.store.files.path(key)
        before = path.read_bytes()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content(before))
        try:
            yield
        finally:
            path.write_bytes(before)

    return harm
