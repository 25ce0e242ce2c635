"""A live service with a prediction log that the tests write themselves."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.provider.conftest import Bench

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
        self.release("1")
        self.model = load_model(bench.store, self.ref)
        self.rows = read_frame(bench.store, self.test)
        self.runs = 0
        self.at = ""

    def trained(self, source, estimator="sklearn.linear_model.LogisticRegression", **fields):
        """Train another model; give its reference."""
        ref = self.bench.model(source, estimator, **fields)[0]
        return ModelRef(uri=ref.uri, digest=ref.digest, name="flow", version="2")

    def release(self, version):
        """Make a version live; it is the same model."""
        change = Change(id=f"release-{version}", action="release", by="ana", at=now())
        set_version(self.bench.store, "flow", "production", ServedVersion(version=version, model=self.ref), change)

    def table(self, frame, *, minutes_ago=0, version="1", **columns):
        """Give the log's rows of answered requests, one row each; `columns` replace or add some."""
        names = self.model.signature.names()
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        table = {
            "schema_version": np.ones(len(frame), dtype="int32"),
            "request_id": [f"r-{uuid.uuid4().hex[:12]}" for _ in range(len(frame))],
            "row": np.zeros(len(frame), dtype="int32"),
            "ts": pd.Series([at + timedelta(microseconds=i) for i in range(len(frame))], dtype="datetime64[us, UTC]"),
            "model": "flow",
            "version": version,
            "digest": self.ref.digest,
            "environment": "production",
            "role": "primary",
            "prediction": self.model.predict(frame[names]),
            "probability": 0.9,
            "latency_ms": 1.0,
            "status": np.full(len(frame), 200, dtype="int16"),
            **{f"x_{column}": frame[column].to_numpy() for column in names},
        }
        return pd.DataFrame({**table, **columns})

    def folder(self, at, version="1"):
        key = f"flow/predictions/production/version={version}/day={at:%Y-%m-%d}/hour={at:%H}"
        return self.bench.root / "store" / key

    def write(self, table, name="", version="1"):
        """Write rows where the server would; give their ids."""
        for at, rows in table.groupby(table["ts"].dt.floor("h")):
            folder = self.folder(at, version)
            folder.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(folder / f"{name or uuid.uuid4().hex}.parquet", index=False)
        return list(table["request_id"])

    def log(self, frame, *, minutes_ago=0, version="1", **columns):
        table = self.table(frame, minutes_ago=minutes_ago, version=version, **columns)
        return self.write(table, version=version)

    def deliver(self, ids, truth, name="labels.csv", **columns):
        """Write a file of labels."""
        folder = self.bench.root / "labels"
        folder.mkdir(exist_ok=True)
        table = pd.DataFrame({"request_id": ids, "target": list(truth), **columns})
        table.to_csv(folder / name, index=False) if name.endswith(".csv") else table.to_parquet(folder / name)

    def phase(self, phase, spec, inputs):
        context = self.bench.context(phase, f"monitor.{phase}", run_id=f"monitor__{self.runs}", at=self.at)
        named = {field: [ref] for field, ref in inputs.items() if ref is not None}
        return run_phase(spec, named, context).outcome

    def look(self, **fields):
        """Run window and check; give both outcomes."""
        self.runs += 1
        spec = MonitorSpec(**{"window": {"rows": 5000}, **fields})
        window = self.phase("window", spec, {})
        return window, self.phase("check", spec, window.outputs), spec

    def window(self, **fields):
        """Run the window; give its outcome and its rows."""
        self.runs += 1
        spec = MonitorSpec(**{"window": {"rows": 5000}, "checks": {"data_drift": {}}, **fields})
        outcome = self.phase("window", spec, {})
        ref = outcome.outputs.get("window")
        return outcome, read_frame(self.bench.store, ref) if ref else None

    def report(self, outcome):
        return self.bench.store.open(outcome.outputs["report"]).folder


@pytest.fixture
def digits(bench):
    return Watched(bench, "sklearn:digits")


@pytest.fixture
def watched(bench):
    return lambda *args, **kwargs: Watched(bench, *args, **kwargs)


@pytest.fixture(scope="module")
def shared_watched(shared_bench):
    """Give services that the tests of a module share."""
    return lambda *args, **kwargs: Watched(shared_bench, *args, **kwargs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train each model once in a module; every test begins with an empty log."""
    known = {}

    def service(source, *args, **fields):
        if source not in known:
            bench = Bench(tmp_path_factory.mktemp("flow"))
            name = source
            if isinstance(source, Path):
                name = shutil.copy(source, bench.root / source.name).name
            known[source] = Watched(bench, name, *args, **fields)
        found = known[source]
        for folder in ("store/flow/predictions", "labels"):
            shutil.rmtree(found.bench.root / folder, ignore_errors=True)
        return found

    return service
