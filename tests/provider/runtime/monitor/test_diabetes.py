"""The sample `dags/workflows/diabetes.yaml`: its phases, and its monitor through every breach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.provider.conftest import Bench
from tests.provider.runtime.monitor.conftest import Watched

from mlops_dag_factory.spec import Workflow
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model
from mlops_provider.store.services import Change, ServedVersion, now, set_version

SAMPLE = Path(__file__).parents[4] / "dags" / "workflows" / "diabetes.yaml"
TRAINED = ["patients", "checked", "parts", "model", "quality", "candidate"]
VALUES = {"strength": 0.05, "largest_error": 55}


class Sample(Watched):
    """The sample with its first version live."""

    def __init__(self, bench):
        self.bench, self.runs = bench, 0
        self.workflow = Workflow.read(SAMPLE)
        self.outputs, self.outcomes = {}, {}
        for name in TRAINED:
            self.outcomes[name] = self.run_phase(name)
            self.outputs[name] = self.outcomes[name].outputs
        self.ref = self.outputs["candidate"]["version"]
        change = Change(id="release-1", action="release", by="ana", at=now())
        served = ServedVersion(version=self.ref.version, model=self.ref)
        set_version(bench.store, "diabetes", "production", served, change)
        self.model = load_model(bench.store, self.ref)
        self.rows = read_frame(bench.store, self.outputs["parts"]["test"])

    def run_phase(self, name):
        spec = self.workflow.phases[name]
        text = spec.model_dump_json(exclude_unset=True)
        for parameter, value in VALUES.items():
            text = text.replace(f'"{{{{ params.{parameter} }}}}"', str(value))
            text = text.replace(f"{{{{ params.{parameter} }}}}", str(value))
        spec = type(spec).model_validate_json(text)
        if spec.type == "ingest":  # as the compiler does
            spec = spec.model_copy(update={"labels": self.workflow.monitor.labels})
        inputs = {}
        for field in ("data", "model"):
            if reference := getattr(spec, field, None):
                phase, _, output = reference.partition(".")
                inputs[field] = [self.outputs[phase][output or self.workflow.phases[phase].default_output]]
        context = self.bench.context(name, spec.type, workflow="diabetes", parameters=VALUES)
        return run_phase(spec, inputs, context).outcome

    def folder(self, at, version="1"):
        found = super().folder(at, version)
        return Path(str(found).replace("/flow/", "/diabetes/"))

    def phase(self, phase, spec, inputs):
        context = self.bench.context(
            phase, f"monitor.{phase}", run_id=f"monitor__{self.runs}", workflow="diabetes", parameters=VALUES
        )
        named = {field: [ref] for field, ref in inputs.items() if ref is not None}
        return run_phase(spec, named, context).outcome

    def asked(self, frame, truth=None, **columns):
        """Answer 300 requests, deliver their outcomes, look at them, decide; give what broke and the decision."""
        self.runs += 1
        ids = self.log(frame, **columns)
        folder = self.bench.root / "labels" / "diabetes"
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = frame["target"] if truth is None else truth
        labels = pd.DataFrame({"request_id": ids, "target": list(outcomes)})
        labels.to_csv(folder / f"{self.runs:02d}.csv", index=False)
        spec = self.workflow.monitor
        window = self.phase("window", spec, {}).outputs
        check = self.phase("check", spec, dict(window))
        decision = self.phase("decide", spec, {"window": window["window"], "report": check.outputs["report"]})
        broken = [rule.rule for rule in check.verdict.rules if rule.result == "failed"]
        return broken, decision.details, check


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return Sample(Bench(tmp_path_factory.mktemp("diabetes")))


def patients(sample, seed):
    """Give 300 patients like those that the model was tried on."""
    return sample.rows.sample(300, replace=True, random_state=seed).reset_index(drop=True)


def test_its_model_passes_its_gates(sample):
    assert sample.outcomes["quality"].verdict.status == "passed"
    assert sample.ref.version == "1"


def test_it_goes_through_every_breach_and_retrains_once(sample):
    broken, decision, _ = sample.asked(patients(sample, 1))
    assert (broken, decision["actions"]) == ([], [])

    holes = patients(sample, 2)
    holes.loc[holes.index[::5], "bmi"] = np.nan
    broken, decision, _ = sample.asked(holes)
    assert broken == ["data_quality"]
    assert (decision["breach"], decision["actions"]) == (True, [])  # one is none

    heavier = patients(sample, 3)
    for name in ("bmi", "bp", "s5", "s4"):
        heavier[name] += 0.08
    broken, decision, check = sample.asked(heavier)
    assert {"data_drift", "prediction_drift", "severe_share <= 0.5"} <= set(broken)
    predicted = sample.model.predict(heavier)
    assert check.metrics["severe_share"] == pytest.approx((predicted > 200).mean())
    assert decision["actions"] == ["notify", "retrain"]

    frame = patients(sample, 4)
    broken, decision, check = sample.asked(frame, truth=frame["target"] * 0.3 + 10)
    assert {"mae.low <= 55", "worst_segment.mae <= 65"} <= set(broken)
    assert check.metrics["mae"] == pytest.approx(abs(sample.model.predict(frame) - frame["target"] * 0.3 - 10).mean())
    assert "retrain" not in decision["actions"]  # one is under way

    broken, _, check = sample.asked(patients(sample, 5), latency_ms=np.linspace(150, 500, 300))
    assert broken == ["latency_p95_ms <= 200"]
    assert check.metrics["latency_p95_ms"] > 400

    broken, decision, check = sample.asked(patients(sample, 6))
    assert broken == []
    assert check.verdict.status == "passed"
