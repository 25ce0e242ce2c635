"""A live service with a prediction log that the tests write themselves."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model
from mlops_provider.store.services import Change, ServedVersion, now, set_version


class Watched:
    """A released model, its log, and the monitor's phases over it."""

    def __init__(self, bench, source, estimator="sklearn.linear_model.LogisticRegression", **fields):
        self.bench = bench
        ref, self.train, self.test = bench.model(source, estimator, **fields)
        self.ref = ModelRef(uri=ref.uri, digest=ref.digest, name="flow", version="1")
        change = Change(id="release", action="release", by="ana", at=now())
        set_version(bench.store, "flow", "production", ServedVersion(version="1", model=self.ref), change)
        self.model = load_model(bench.store, self.ref)
        self.rows = read_frame(bench.store, self.test)
        self.runs = 0

    def log(self, frame, *, minutes_ago=0, name=""):
        """Write answered requests, one row each; give their ids."""
        names = self.model.signature.names()
        ids = [f"r-{uuid.uuid4().hex[:12]}" for _ in range(len(frame))]
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        table = pd.DataFrame(
            {
                "request_id": ids,
                "row": np.zeros(len(frame), dtype="int32"),
                "ts": [at + timedelta(milliseconds=i) for i in range(len(frame))],
                "version": "1",
                "prediction": self.model.predict(frame[names]),
                "probability": 0.9,
                "latency_ms": 1.0,
                "status": 200,
                **{f"x_{column}": frame[column].to_numpy() for column in names},
            }
        )
        folder = self.bench.root / "store/flow/predictions/production/version=1/day=2026-01-01/hour=00"
        folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(folder / f"{name or uuid.uuid4().hex}.parquet", index=False)
        return ids

    def deliver(self, ids, truth, name="labels.csv"):
        folder = self.bench.root / "labels"
        folder.mkdir(exist_ok=True)
        pd.DataFrame({"request_id": ids, "target": list(truth)}).to_csv(folder / name, index=False)

    def phase(self, phase, spec, inputs):
        context = self.bench.context(phase, f"monitor.{phase}", run_id=f"monitor__{self.runs}")
        named = {field: [ref] for field, ref in inputs.items() if ref is not None}
        return run_phase(spec, named, context).outcome

    def look(self, **fields):
        """Run window and check; give both outcomes."""
        self.runs += 1
        spec = MonitorSpec(**{"window": {"rows": 5000}, **fields})
        window = self.phase("window", spec, {})
        return window, self.phase("check", spec, {"window": window.outputs.get("window")}), spec


@pytest.fixture
def digits(bench):
    return Watched(bench, "sklearn:digits")


@pytest.fixture
def watched(bench):
    return lambda *args, **kwargs: Watched(bench, *args, **kwargs)
