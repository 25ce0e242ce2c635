"""Trainings with a search, on data that is there already."""

from __future__ import annotations

import pytest

from mlops_dag_factory.spec import TrainSpec
from mlops_provider.runtime.training_data import read_training_data
from mlops_provider.runtime.tuning import find

LOGISTIC = "sklearn.linear_model.LogisticRegression"
C = {"low": 0.001, "high": 10, "log": True}


class Searches:
    """Searches in the store of a bench."""

    def __init__(self, bench):
        self.bench = bench

    def config(self, estimator=LOGISTIC, *, target="target", parameters=None, seed=0, more=None, **tune):
        fixed = {"max_iter": 500} if estimator == LOGISTIC and parameters is None else parameters or {}
        model = {"python": estimator} if ":" in estimator else {"estimator": estimator}
        return TrainSpec(data="d", target=target, parameters=fixed, tune=tune, seed=seed, **model, **(more or {}))

    def data(self, config, source="sklearn:breast_cancer", **context):
        ref = self.bench.dataset(source) if isinstance(source, str) else source
        return read_training_data(config, {"data": [ref]}, self.context(**context))

    def context(self, **more):
        return self.bench.context("model", "train", **more)

    def find(self, config, source="sklearn:breast_cancer", **context):
        return find(config, self.data(config, source), self.context(**context))


@pytest.fixture
def searches(bench):
    return Searches(bench)
