"""The sample `dags/workflows/diabetes.yaml`: its phases, and its monitor through every breach."""

from __future__ import annotations

import numpy as np
import pytest
from tests.provider.conftest import Bench
from tests.provider.runtime.monitor.samples import Sample

TRAINED = ["patients", "checked", "parts", "model", "quality", "candidate"]
VALUES = {"strength": 0.05, "largest_error": 55}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return Sample(Bench(tmp_path_factory.mktemp("diabetes")), "diabetes", TRAINED, VALUES)


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
