"""What a look compares: profiles of every row that was answered, around the centres of the training."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.columns.scores import score
from mlops_provider.runtime.monitor.look import Look
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION, model_profiles
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import COLUMNS_FILE


@pytest.fixture
def look(digits, tmp_path):
    """Log the test rows once as they are, and once as failures; give the look at all of them."""
    digits.log(digits.rows)
    digits.log(digits.rows, status=np.int16(500))
    spec = MonitorSpec(window={"rows": 5000}, checks={"data_drift": {}})
    window = digits.phase("window", spec, {}).outputs["window"]
    context = digits.bench.context("check", "monitor.check")
    return Look(config=spec, context=context, store=digits.bench.store, window=window, folder=tmp_path)


def test_the_profiles_are_of_the_answered_rows_and_of_all_training_rows(digits, look):
    names = digits.model.signature.names()
    training = read_frame(digits.bench.store, digits.train)

    assert {*look.profiles} == {*names, PREDICTION}
    assert all(profile.rows == len(digits.rows) for profile in look.profiles.values())
    assert all(look.baseline_profiles[name].rows == len(training) for name in names)
    assert look.profiles[names[10]].mean == pytest.approx(digits.rows[names[10]].mean())
    assert sum(look.profiles[PREDICTION].categories.values()) == len(digits.rows)
    assert score(look.baseline_profiles[PREDICTION], look.profiles[PREDICTION]) < 0.1


def test_a_model_without_profiles_is_compared_by_its_sample(digits, look):
    store, content = digits.bench.store, digits.bench.store.open(digits.ref)
    with store.scratch() as folder:
        for file in content.files():
            if file.name != COLUMNS_FILE:
                shutil.copy(file, folder)
        old = store.publish("flow", "models", folder, content.meta)

    profiles = model_profiles(store, ModelRef(uri=old.uri, digest=old.digest), digits.model.signature)

    assert {*profiles} == {*look.profiles}
    assert profiles[PREDICTION].digest == look.baseline_profiles[PREDICTION].digest
