"""Train and evaluate: a million rows of 30 columns, against the same scikit-learn script by hand.

Two models are fitted and judged: gradient boosting, and a logistic regression behind imputing and scaling. The script
reads the same rows from Parquet, fits the same pipelines, computes the same metrics on the test rows and keeps the
model with skops. Our side also checks its input, takes digests, keeps golden rows, a baseline and its profile, gives
intervals, finds the worst slices, and writes the report and the records. Every measurement is a fresh process that
counts from its first line, imports included, and the sides take turns. Where PyTorch is installed, skops imports it for
the script (1.5 s); our import of skops leaves it out.

Figures: vs_script is our wall time over the script's and memory_vs_script the same of the highest memory, both over the
sums of both models; cached_share is the time of a whole run (ingest to evaluate) with everything in the cache over that
of the first; tune_speedup is the wall time of a search by one worker over that of the same search by four, each a
process that does what its mapped Airflow task does, with one thread: on two cores two is the most.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from figures import show

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".mlops" / "bench" / "train"
GOAL, QUICK = 1_000_000, 50_000
FEATURES = 30
REPEATS = 3
MODELS = {
    "boosting": ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 100, "early_stopping": False}),
    "logistic": ("sklearn.linear_model.LogisticRegression", {"max_iter": 200}),
}

MAKE = """
import sys
import numpy as np, pandas as pd
rows, target = int(sys.argv[1]), sys.argv[2]
random = np.random.default_rng(0)
values = random.normal(size=(rows, 30))
score = values[:, 0] + values[:, 1] * values[:, 2] + np.sin(2 * values[:, 3]) + 0.5 * (values[:, 4] > 1)
frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(30)])
frame.loc[random.random(rows) < 0.02, "f5"] = np.nan
frame["target"] = (score + random.normal(size=rows) > 0).astype("int64")
frame.to_parquet(target, index=False)
"""

START = """
import json, sys, time
started = time.perf_counter()
folder, estimator, parameters = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
"""

PREPARE = """
from mlops_dag_factory.spec import IngestSpec, SplitSpec
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.table import read_frame

def context(phase):
    return RunContext(workflow="bench", run_id="run", phase=phase, phase_type=phase, store_url=f"{folder}/store")

data = run_phase(IngestSpec(source=estimator), {}, context("ingest")).outcome.outputs["data"]
parts = run_phase(SplitSpec(data="d", test=0.2), {"data": [data]}, context("split")).outcome.outputs
json.dump({name: ref.to_dict() for name, ref in parts.items()}, open(f"{folder}/parts.json", "w"))
for name in ("train", "test"):
    read_frame(context("read").store(), parts[name]).to_parquet(f"{folder}/{name}.parquet", index=False)
"""

OURS = """
from mlops_dag_factory.spec import EvaluateSpec, TrainSpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.phase import run_phase

def context(phase):  # each model is a workflow of its own
    return RunContext(workflow=estimator.rpartition(".")[2], run_id=f"run-{time.time_ns()}", phase=phase,
                      phase_type=phase, store_url=f"{folder}/store")

parts = {name: ref_from_dict(value) for name, value in json.load(open(f"{folder}/parts.json")).items()}
train = TrainSpec(data="d", target="target", estimator=estimator, parameters=parameters)
model = run_phase(train, {"data": [parts["train"]]}, context("train")).outcome.outputs["model"]
judge = EvaluateSpec(model="m", data="d", gates=["accuracy >= 0.6", "roc_auc >= 0.6"])
judged = run_phase(judge, {"model": [model], "data": [parts["test"]]}, context("evaluate")).outcome
assert judged.verdict.status == "passed"
accuracy = judged.metrics["accuracy"]
"""

BY_HAND = """
import importlib
import pandas as pd, skops.io
from sklearn import metrics
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

module, _, name = estimator.rpartition(".")
learner = getattr(importlib.import_module(module), name)(**parameters)
boosting = name.startswith("Hist")
model = learner if boosting else make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), learner)
train, test = pd.read_parquet(f"{folder}/train.parquet"), pd.read_parquet(f"{folder}/test.parquet")
model.fit(train.drop(columns="target"), train["target"])
inputs, truth = test.drop(columns="target"), test["target"]
predicted, chances = model.predict(inputs), model.predict_proba(inputs)
found = {
    "accuracy": metrics.accuracy_score(truth, predicted),
    "precision": metrics.precision_score(truth, predicted),
    "recall": metrics.recall_score(truth, predicted),
    "f1": metrics.f1_score(truth, predicted),
    "log_loss": metrics.log_loss(truth, chances),
    "roc_auc": metrics.roc_auc_score(truth, chances[:, 1]),
}
skops.io.dump(model, f"{folder}/by-hand.skops")
json.dump(found, open(f"{folder}/by-hand.json", "w"))
accuracy = found["accuracy"]
"""

TELL = """
seconds = time.perf_counter() - started
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": seconds, "peak_mb": peak, "accuracy": accuracy}))
"""

WHOLE = """
from mlops_dag_factory.spec import EvaluateSpec, IngestSpec, SplitSpec, TrainSpec
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.phase import run_phase

def outputs(spec, phase, **inputs):
    context = RunContext(workflow="bench", run_id=f"run-{time.time_ns()}", phase=phase, phase_type=phase,
                         store_url=f"{folder}/whole")
    named = {name: [ref] for name, ref in inputs.items()}
    finished = run_phase(spec, named, context, cache=True)
    return finished.outcome.outputs

data = outputs(IngestSpec(source=f"{folder}/rows.parquet"), "ingest")["data"]
parts = outputs(SplitSpec(data="d", test=0.2), "split", data=data)
train = TrainSpec(data="d", target="target", estimator=estimator, parameters=parameters)
model = outputs(train, "train", data=parts["train"])["model"]
outputs(EvaluateSpec(model="m", data="d", gates=["accuracy >= 0.6"]), "evaluate", model=model, data=parts["test"])
accuracy = 0
"""

TRIALS = """
from mlops_dag_factory.spec import TrainSpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.places.work import Work
from mlops_provider.runtime.tuning.task import run_trials

search, worker = parameters["search"], parameters["worker"]
tune = {"search": "random", "limit": 16, "cv": 3, "trials": "tasks", "workers": 4,
        "space": {"learning_rate": {"low": 0.01, "high": 0.3, "log": True},
                  "max_leaf_nodes": {"low": 15, "high": 63, "step": 1}}}
train = TrainSpec(data="d", target="target", estimator=estimator, tune=tune, parameters={"max_iter": 40})
data = ref_from_dict(json.load(open(f"{folder}/parts.json"))["train"])

context = RunContext(workflow=search, run_id="run", phase="train", phase_type="train", store_url=f"{folder}/store")
work = Work(spec="mlops_dag_factory.spec.train:TrainSpec", config={}, inputs={"data": [data]}, context=context,
            worker=worker)
run_trials(work, train)
accuracy = 0
"""


def measure(code: str, folder: Path, estimator: str, parameters: dict[str, object]) -> dict[str, float]:
    """Run one side in a fresh process; give its seconds, peak in MB and accuracy."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", START + code + TELL, str(folder), estimator, json.dumps(parameters)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{estimator} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def made(rows: int) -> Path:
    """Give the folder with the rows, the parts that we published and the same parts as plain files; made once."""
    folder = WORK / str(rows)
    if not (folder / "parts.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        source = folder / "rows.parquet"
        subprocess.run([sys.executable, "-c", MAKE, str(rows), str(source)], check=True)
        measure(PREPARE + "accuracy = 0", folder, str(source), {})
    return folder


def compare(folder: Path, repeats: int) -> tuple[list[tuple[object, ...]], dict[str, float]]:
    """Train and judge both models on both sides, in turns; give the rows of the table and the ratios of the sums."""
    sides = {"by hand": BY_HAND, "mlops": OURS}
    table: list[tuple[object, ...]] = []
    seconds, peaks = dict.fromkeys(sides, 0.0), dict.fromkeys(sides, 0.0)
    for model, (estimator, parameters) in MODELS.items():
        found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for _ in range(repeats):
            for side, code in sides.items():
                found[side].append(measure(code, folder, estimator, parameters))
        for side, runs in found.items():
            middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            seconds[side] += middle["seconds"]
            peaks[side] += middle["peak_mb"]
            table.append((model, side, middle["seconds"], middle["peak_mb"], middle["accuracy"]))
    ratios = {
        "vs_script": seconds["mlops"] / seconds["by hand"],
        "memory_vs_script": peaks["mlops"] / peaks["by hand"],
    }
    return table, ratios


def cached(folder: Path) -> float:
    """Run a whole workflow twice, with the cache; give the second time over the first."""
    estimator, parameters = MODELS["boosting"]
    shutil.rmtree(folder / "whole", ignore_errors=True)
    first, second = (measure(WHOLE, folder, estimator, parameters)["seconds"] for _ in range(2))
    return second / first


def searched(folder: Path, workers: int) -> float:
    """Run a search of its own with so many workers at once; give the seconds until the last has ended."""
    parameters = {"search": f"search-{time.time_ns()}"}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    program = [sys.executable, "-c", START + TRIALS + TELL, str(folder), MODELS["boosting"][0]]
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [*program, json.dumps({**parameters, "worker": number})], env=environment, stdout=subprocess.DEVNULL
        )
        for number in range(1, workers + 1)
    ]
    if any(process.wait() for process in running):
        sys.exit("a worker of the search failed")
    return time.perf_counter() - started


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} rows instead of {GOAL:,}")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = QUICK if options.quick else GOAL
    estimator, parameters = MODELS["boosting"]
    for code in (OURS, BY_HAND):  # bytecode and libraries in the disk cache
        measure(code, made(QUICK // 10), estimator, parameters)
    folder = made(rows)
    table, figures = compare(folder, 1 if options.quick else REPEATS)
    figures["cached_share"] = cached(folder)
    small = made(QUICK if options.quick else GOAL // 5)
    alone, together = searched(small, 1), searched(small, 4)
    table += [("search, 16 trials", "1 worker", alone, "", ""), ("search, 16 trials", "4 workers", together, "", "")]
    figures["tune_speedup"] = alone / together
    show(
        f"Train and evaluate {rows:,} rows of {FEATURES} columns",
        ("model", "written with", "s", "peak MB", "accuracy"),
        table,
        figures,
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
