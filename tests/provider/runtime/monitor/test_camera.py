"""The sample `dags/workflows/camera.yaml`: its monitor through every breach, with the worn camera of the demo."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.provider.conftest import Bench
from tests.provider.runtime.monitor.samples import Sample

TRAINED = ["pictures", "checked", "parts", "model", "quality", "candidate"]
VALUES = {"neurons": 64, "minimum_accuracy": 0.85}
CAMERA = runpy.run_path(str(Path(__file__).parents[4] / "docs" / "demo" / "camera.py"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return Sample(Bench(tmp_path_factory.mktemp("camera")), "camera", TRAINED, VALUES)


def pictures(sample, seed, wear=0.0):
    """Give 500 pictures of a camera that is so worn."""
    rows = sample.rows.sample(500, replace=True, random_state=seed).reset_index(drop=True)
    names = sample.model.signature.names()
    worn = CAMERA["degrade"](rows[names].to_numpy(), wear, np.random.default_rng(seed))
    return pd.DataFrame(worn, columns=names).assign(target=rows["target"])


def results(check):
    return {rule.rule: rule.result for rule in check.verdict.rules}


def test_it_goes_through_every_breach_and_back(sample):
    broken, decision, check = sample.asked(pictures(sample, 1))
    assert (broken, decision["actions"]) == ([], [])
    assert set(results(check).values()) == {"passed"}

    dead = pictures(sample, 2)
    dead.loc[dead.index[::10], "pixel_3_3"] = np.nan
    broken, decision, check = sample.asked(dead)
    assert broken == ["data_quality"]
    assert "pixel_3_3 10%" in decision["why"]
    assert decision["actions"] == ["notify", "fallback", "retrain"]

    broken, decision, check = sample.asked(pictures(sample, 3, wear=0.05))
    assert "precision >= 0.4" not in broken
    assert results(check)["data_drift"] == "warned"  # the answers are what counts
    assert decision["actions"] == []

    worn = pictures(sample, 4, wear=0.35)
    broken, decision, check = sample.asked(worn)
    assert broken == ["precision >= 0.4"]
    assert check.metrics["precision"] < 0.4
    assert results(check)["prediction_drift"] == "warned"
    assert "notify" in decision["actions"]
    assert not {"fallback", "retrain"} & set(decision["actions"])  # one is under way

    broken, decision, check = sample.asked(pictures(sample, 5), latency_ms=np.linspace(300, 2500, 500))
    assert broken == ["latency_p95_ms <= 1000"]

    failed = np.where(np.arange(500) % 20 == 0, 500, 200).astype("int16")
    broken, decision, check = sample.asked(pictures(sample, 6), status=failed)
    assert broken == ["error_rate <= 0.01"]
    assert check.metrics["error_rate"] == pytest.approx(0.05)

    broken, decision, check = sample.asked(pictures(sample, 7))
    assert broken == []
    assert decision["decided_by"]["rule"] == "cleared"
