"""Running: a 12-phase workflow against the same work as hand-written PythonOperator tasks.

Both run through `dag.test()` in a process of their own, on SQLite, with MLflow on SQLite; the process that is measured
has run its DAG once before. The hand-written tasks do what a person would write: pandas, scikit-learn and MLflow calls
that pass file names, without immutable data, records, lineage, verdicts or reports.

Figure: vs_handwritten is our wall time over that of the hand-written DAG.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from figures import show
from mlops_dag_factory.local.home import LocalHome, inherited_environment

WORK = Path(__file__).resolve().parent.parent / ".mlops" / "bench" / "overhead"

WORKFLOW = """
workflow: ours
phases:
  rows: {type: ingest, source: "sklearn:breast_cancer"}
  checked: {type: validate, data: rows, columns: {target: {allowed: [0, 1]}}, rules: ["row_count > 100"]}
  wide: {type: transform, data: checked, sql: 'SELECT *, "worst area" / "mean area" AS growth FROM data'}
  parts: {type: split, data: wide, test: 0.3, stratify: target}
  audit: {type: validate, data: parts.test, rules: ["row_count > 50", "columns.growth.mean > 1"]}
  first: {type: train, data: parts.train, target: target, estimator: sklearn.ensemble.HistGradientBoostingClassifier}
  second: {type: train, data: parts.train, target: target, estimator: sklearn.ensemble.RandomForestClassifier}
  third: {type: train, data: parts.train, target: target, estimator: sklearn.naive_bayes.GaussianNB}
  first_quality: {type: evaluate, model: first, data: parts.test, gates: ["accuracy > 0.8"]}
  second_quality: {type: evaluate, model: second, data: parts.test, gates: ["accuracy > 0.8"]}
  third_quality: {type: evaluate, model: third, data: parts.test, gates: ["accuracy > 0.8"]}
  version: {type: register, model: first, after: [first_quality, second_quality, third_quality, audit]}
"""

BY_HAND = """
import os
from datetime import datetime, timezone
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

FOLDER = os.environ["BY_HAND_FOLDER"]

def rows():
    from sklearn.datasets import load_breast_cancer
    path = f"{FOLDER}/rows.parquet"
    load_breast_cancer(as_frame=True).frame.to_parquet(path)
    return path

def check(ti, source, minimum):
    import pandas as pd
    path = ti.xcom_pull(task_ids=source[0])
    path = path[source[1]] if len(source) > 1 else path
    frame = pd.read_parquet(path)
    assert len(frame) > minimum and frame["target"].isin([0, 1]).all()
    return path

def wide(ti):
    import pandas as pd
    frame = pd.read_parquet(ti.xcom_pull(task_ids="checked"))
    path = f"{FOLDER}/wide.parquet"
    frame.assign(growth=frame["worst area"] / frame["mean area"]).to_parquet(path)
    return path

def parts(ti):
    import pandas as pd
    from sklearn.model_selection import train_test_split
    frame = pd.read_parquet(ti.xcom_pull(task_ids="wide"))
    train, test = train_test_split(frame, test_size=0.3, stratify=frame["target"], random_state=0)
    paths = {"train": f"{FOLDER}/train.parquet", "test": f"{FOLDER}/test.parquet"}
    train.to_parquet(paths["train"]); test.to_parquet(paths["test"])
    return paths

def train(ti, label, estimator):
    import importlib, mlflow, pandas as pd, skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    frame = pd.read_parquet(ti.xcom_pull(task_ids="parts")["train"])
    module, cls = estimator.rsplit(".", 1)
    features = [c for c in frame if c != "target"]
    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    model = Pipeline([("prepare", ColumnTransformer([("numbers", numbers, features)])),
                      ("estimator", getattr(importlib.import_module(module), cls)())])
    model.fit(frame[features], frame["target"])
    path = f"{FOLDER}/{label}.skops"
    skops.io.dump(model, path)
    mlflow.set_tracking_uri(os.environ["BY_HAND_TRACKING"]); mlflow.set_experiment("by_hand")
    with mlflow.start_run(run_name=label):
        mlflow.log_params({"estimator": estimator})
        mlflow.log_metrics({"rows": len(frame), "train_score": model.score(frame[features], frame["target"])})
    return path

def evaluate(ti, model):
    import mlflow, pandas as pd, skops.io
    from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score, roc_auc_score
    frame = pd.read_parquet(ti.xcom_pull(task_ids="parts")["test"])
    path = ti.xcom_pull(task_ids=model)
    fitted = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    features = [c for c in frame if c != "target"]
    predicted, scores = fitted.predict(frame[features]), fitted.predict_proba(frame[features])
    truth = frame["target"]
    found = {"accuracy": accuracy_score(truth, predicted), "f1": f1_score(truth, predicted),
             "precision": precision_score(truth, predicted), "recall": recall_score(truth, predicted),
             "log_loss": log_loss(truth, scores), "roc_auc": roc_auc_score(truth, scores[:, 1])}
    assert found["accuracy"] > 0.8
    mlflow.set_tracking_uri(os.environ["BY_HAND_TRACKING"]); mlflow.set_experiment("by_hand")
    with mlflow.start_run(run_name=f"{model}-quality"):
        mlflow.log_metrics(found)
    return found

def register(ti):
    from mlflow import MlflowClient
    client = MlflowClient(os.environ["BY_HAND_TRACKING"], os.environ["BY_HAND_TRACKING"])
    try:
        client.create_registered_model("by_hand")
    except Exception:
        pass
    version = client.create_model_version("by_hand", ti.xcom_pull(task_ids="first"))
    client.set_registered_model_alias("by_hand", "challenger", version.version)
    return str(version.version)

with DAG("by_hand", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc)):
    def task(name, function, **arguments):
        return PythonOperator(task_id=name, python_callable=function, op_kwargs=arguments)
    a = task("rows", rows)
    b = task("checked", check, source=["rows"], minimum=100)
    c, d = task("wide", wide), task("parts", parts)
    audit = task("audit", check, source=["parts", "test"], minimum=50)
    names = {"first": "sklearn.ensemble.HistGradientBoostingClassifier",
             "second": "sklearn.ensemble.RandomForestClassifier", "third": "sklearn.naive_bayes.GaussianNB"}
    version = task("version", register)
    a >> b >> c >> d >> audit >> version
    for name, estimator in names.items():
        fitted = task(name, train, label=name, estimator=estimator)
        d >> fitted >> task(f"{name}_quality", evaluate, model=name) >> version
"""

RUN = """
import json, sys, time
from pathlib import Path
from airflow.utils.db import upgradedb
upgradedb()
from airflow.dag_processing.dagbag import DagBag
folder, dag_id, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
dag = DagBag(folder).dags[dag_id]
assert len(dag.tasks) == 12
seconds = []
for _ in range(runs + 1):
    started = time.perf_counter()
    run = dag.test(logical_date=None)
    seconds.append(time.perf_counter() - started)
    assert run.state == "success", {i.task_id: i.state for i in run.get_task_instances()}
    tasks = {i.task_id: i.duration for i in run.get_task_instances()}
print(json.dumps({"seconds": seconds[1:], "first": seconds[0], "tasks": tasks}))
"""


def measure(home: LocalHome, dag_id: str, runs: int) -> dict:
    """Run a DAG several times in a fresh process."""
    own = {"BY_HAND_FOLDER": str(home.data), "BY_HAND_TRACKING": f"sqlite:///{home.root}/by_hand.db"}
    environment = {**inherited_environment(), **home.environment(), **own}
    command = [sys.executable, "-c", RUN, str(home.dags), dag_id, str(runs)]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if out.returncode:
        raise SystemExit(f"{dag_id} failed:\n{out.stdout[-2000:]}\n{out.stderr[-2000:]}")
    return json.loads(out.stdout.splitlines()[-1])


def main() -> None:
    """Measure both DAGs in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run of each instead of three")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    shutil.rmtree(WORK, ignore_errors=True)
    home = LocalHome(WORK)
    home.create()
    (home.workflows / "ours.yaml").write_text(WORKFLOW)
    (home.dags / "by_hand.py").write_text(BY_HAND)
    found: dict[str, list[dict]] = {"by_hand": [], "ours": []}
    for _ in range(1 if options.quick else 3):
        for dag_id, results in found.items():
            results.append(measure(home, dag_id, 1 if options.quick else 2))
    medians = {dag_id: statistics.median(s for r in results for s in r["seconds"]) for dag_id, results in found.items()}
    first = {dag_id: statistics.median(r["first"] for r in results) for dag_id, results in found.items()}
    hand, ours = found["by_hand"][-1]["tasks"], found["ours"][-1]["tasks"]
    rows = [(name, hand[name], ours[name]) for name in hand]
    rows += [("whole run, warm", medians["by_hand"], medians["ours"]), ("first run", first["by_hand"], first["ours"])]
    figures = {"vs_handwritten": medians["ours"] / medians["by_hand"]}
    show("Seconds per task, 12 tasks", ("task", "by hand", "workflow"), rows, figures, as_json=options.json)


if __name__ == "__main__":
    main()
