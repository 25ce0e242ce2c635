"""Runs of one workflow on New York's weather, each from ingestion to evaluation."""

from __future__ import annotations

import sys
from contextlib import suppress

import pandas as pd
import pytest

from mlops_dag_factory.spec import EvaluateSpec, IngestSpec, SplitSpec, TrainSpec, TransformSpec
from mlops_provider.exceptions import CheckpointBlockedError
from mlops_provider.runtime.contract import DEFAULT_ALLOWED_IMPORTS

FEATURES = ["origin", "month", "hour", "dewp", "humid", "pressure", "wind_speed"]
CODE = """
import pyarrow as pa


def prepare(data: pa.Table) -> pa.Table:
    return data.filter(pa.compute.field("temp") > {least})
"""


class Iterations:
    """Runs of `rows -> ready -> parts -> model -> quality`: is it warmer than 60 degrees?"""

    def __init__(self, bench, frame, folder):
        self.bench, self.frame, self.folder, self.store = bench, frame, folder, bench.store
        self.number, self.target = 0, "warm"
        self.code()

    def code(self, least=-100):
        (self.folder / "weather_parts.py").write_text(CODE.format(least=least))
        sys.modules.pop("weather_parts", None)

    def run(self, frame=None, *, parameters=None, gates=("accuracy >= 0.5",), seed=0, run_parameters=None, name=None):
        """Run once; give the run's id. A blocked gate ends it, as it would in Airflow."""
        self.number += 1
        run_id = name or f"run-{self.number}"
        file = self.bench.root / f"{run_id}.csv"
        (self.frame if frame is None else frame).to_csv(file, index=False)
        (self.bench.root / "weather.csv").write_bytes(file.read_bytes())
        context = {
            "run_id": run_id,
            "parameters": run_parameters or {},
            "allowed_imports": (*DEFAULT_ALLOWED_IMPORTS, "weather_parts"),
        }
        rows = self.bench.run(IngestSpec(source="weather.csv"), phase="rows", **context).outputs["data"]
        ready = TransformSpec(data="rows", python="weather_parts:prepare")
        ready = self.bench.run(ready, {"data": rows}, phase="ready", **context).outputs["data"]
        parts = self.bench.run(SplitSpec(data="ready", test=0.3), {"data": ready}, phase="parts", **context).outputs
        spec = TrainSpec(
            data="parts.train",
            target=self.target,
            features=FEATURES,
            estimator="sklearn.tree.DecisionTreeClassifier",
            parameters={"max_depth": 6, "random_state": 0, **(parameters or {})},
            seed=seed,
        )
        model = self.bench.run(spec, {"data": parts["train"]}, phase="model", **context).outputs["model"]
        quality = EvaluateSpec(model="model", data="parts.test", gates=list(gates), slices="none")
        with suppress(CheckpointBlockedError):
            self.bench.run(quality, {"model": model, "data": parts["test"]}, phase="quality", **context)
        return run_id


@pytest.fixture(scope="session")
def weather(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    frame = frame.dropna(subset=[*FEATURES, "temp"]).sample(3000, random_state=0).sort_index()
    frame["warm"] = (frame["temp"] > 60).astype(int)
    return frame[[*FEATURES, "temp", "warm"]].reset_index(drop=True)


@pytest.fixture
def iterations(bench, weather, tmp_path, monkeypatch):
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Iterations(bench, weather, folder)
    sys.modules.pop("weather_parts", None)
