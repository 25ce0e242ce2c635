"""A model and rows to score."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest

from mlops_dag_factory.spec import PredictSpec
from mlops_provider.runtime.table import read_frame

SCORE = """
import json, sys
from mlops_dag_factory.spec import PredictSpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.batch.receipts import Receipts
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime import predict
given = json.loads(sys.argv[1])
written = Receipts.write
def write(self, partition, ref):
    found = written(self, partition, ref)
    print(partition.label, flush=True)
    if given["waits"]:
        sys.stdin.readline()
    return found
Receipts.write = write
inputs = {name: [ref_from_dict(ref)] for name, ref in given["inputs"].items()}
outcome = predict.run(PredictSpec(**given["spec"]), inputs, RunContext.from_dict(given["context"]))
print(json.dumps(outcome.metrics | {"digest": outcome.outputs["data"].digest}))
"""
"""Scores in a process of its own, names each partition and, with 'waits', goes on when it is told to."""


class Scoring:
    """Scores rows by a model."""

    def __init__(self, bench, source="sklearn:breast_cancer", **fields):
        self.bench = bench
        self.model, _, self.rows = bench.model(source, **fields)

    def run(self, **fields):
        context = {name: fields.pop(name) for name in ("run_id", "phase") if name in fields}
        inputs = {"model": fields.pop("model", self.model), "data": fields.pop("data", self.rows)}
        fields = {"partitions": {"rows": 50}, **fields}
        return self.bench.run(PredictSpec(model="m", data="d", **fields), inputs, **context)

    def frame(self, outcome):
        return read_frame(self.bench.store, outcome.outputs["data"])

    def data(self):
        return read_frame(self.bench.store, self.rows)

    def dataset(self, frame, name="rows.parquet"):
        frame.to_parquet(self.bench.root / name, index=False)
        return self.bench.dataset(name)

    def start(self, *, run_id="run-1", waits=False, **fields):
        """Score in a process."""
        context = self.bench.context("predict", "predict", run_id=run_id).to_dict()
        spec = {"model": "m", "data": "d", "partitions": {"rows": 20}, **fields}
        inputs = {"model": self.model.to_dict(), "data": self.rows.to_dict()}
        given = json.dumps({"spec": spec, "inputs": inputs, "context": context, "waits": waits})
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", SCORE, given], stdin=pipe, stdout=pipe, text=True)


@pytest.fixture
def scoring(bench):
    return lambda *args, **fields: Scoring(bench, *args, **fields)


@pytest.fixture
def days():
    """Rows of three days, with text, a truth value and gaps."""
    frame = pd.DataFrame({"id": range(90), "day": [f"2026-01-0{1 + i // 30}" for i in range(90)]})
    frame["size"] = ["large" if i % 3 else "small" for i in range(90)]
    frame["wet"] = [None if i % 11 == 0 else i % 2 == 0 for i in range(90)]
    frame["depth"] = [None if i % 7 == 0 else i / 10 for i in range(90)]
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(range(90), unit="h")
    return frame.assign(target=[f"{'deep' if i % 10 > 4 else 'shallow'}" for i in range(90)])
