"""Trainings without a tracking server, which nothing here looks at."""

from __future__ import annotations

import pytest

from mlops_dag_factory.spec import TrainSpec, TransformSpec
from mlops_provider.runtime.phase import run_phase
from mlops_provider.store.models import load_model
from mlops_provider.store.store import Store
from mlops_provider.store.trust import Trust


class Gym:
    """Trains on data in a store of its own."""

    def __init__(self, bench):
        self.bench = bench
        self.imports = ("sklearn.", "lightgbm.", "tests.")
        self.types = ()

    def train(self, data, *, validation=None, **fields):
        spec = TrainSpec(**{"data": "d", "target": "target", **fields})
        inputs = {"data": [data]} | ({"validation": [validation]} if validation else {})
        context = self.bench.context(
            "t", "train", tracking_uri="", allowed_imports=self.imports, trusted_types=self.types
        )
        return run_phase(spec, inputs, context).outcome

    def open(self, outcome):
        return load_model(Store(self.bench.store.url, self.trust), outcome.outputs["model"])

    @property
    def trust(self):
        return Trust(types=self.types, imports=self.imports)

    @property
    def store(self):
        return Store(self.bench.store.url, self.trust)

    def fit(self, data, **fields):
        return self.open(self.train(data, **fields))

    def estimator(self, data, **fields):
        return self.fit(data, **fields).pipeline.steps[-1][1]

    def sql(self, query, source="sklearn:breast_cancer"):
        spec = TransformSpec(data="d", sql=query)
        context = self.bench.context("s", "transform", tracking_uri="")
        return run_phase(spec, {"data": [self.bench.dataset(source)]}, context).outcome.outputs["data"]


@pytest.fixture
def gym(bench):
    return Gym(bench)


@pytest.fixture
def tumours(bench):
    """569 rows, 30 numbers, target 0 and 1."""
    return bench.dataset("sklearn:breast_cancer")
