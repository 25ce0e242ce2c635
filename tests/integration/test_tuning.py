"""Trials as mapped tasks of a real Airflow: four workers share one search, and the training takes the best."""

from __future__ import annotations

import pytest

from mlops_provider.runtime.records import run_records
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

WORKFLOW = """
workflow: tuned
parameters: {most: {type: integer, default: 8}}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows}
  model:
    type: train
    data: parts.train
    target: target
    estimator: sklearn.tree.DecisionTreeClassifier
    tune:
      search: random
      limit: "{{ params.most }}"
      trials: tasks
      workers: 4
      space: {max_depth: {low: 1, high: 9, step: 1}, min_samples_leaf: [1, 5, 20]}
  idle:
    type: train
    when: parameters.most > 100
    data: parts.train
    target: target
    estimator: sklearn.tree.DecisionTreeClassifier
    tune: {trials: tasks, workers: 2, space: {max_depth: [1, 2]}}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy >= 0.8"]}
"""


@pytest.fixture(scope="module")
def tuned(airflow, home):
    """A run of a workflow whose search is made by mapped tasks."""
    (home.workflows / "tuned.yaml").write_text(WORKFLOW)
    airflow.wait_for_dag("tuned")
    run_id = airflow.trigger("tuned")
    return run_id, airflow.wait_for_run("tuned", run_id)


def test_four_mapped_workers_run_every_trial_once_and_the_training_takes_the_best(tuned, home):
    run_id, state = tuned
    store = Store(home.store)
    records = {record["phase"]: record for record in run_records(store, "tuned", run_id)}

    assert state["state"] == "success"
    workers = [records[f"model.trial@{number}"] for number in range(1, 5)]
    assert sum(record["metrics"]["trials"] for record in workers) == 8
    assert all(record["usage"]["wall_seconds"] > 0 for record in workers)
    assert records["model"]["metrics"]["tune.trials"] == 8
    assert records["quality"]["status"] == "succeeded"


def test_workers_of_a_training_that_is_left_out_are_left_out_with_it(tuned, airflow):
    run_id, _ = tuned

    states = {name: task["state"] for name, task in airflow.tasks("tuned", run_id).items()}

    assert states["idle"] == "skipped"
    assert states["idle.trial"] == "skipped"


def test_the_training_hands_on_less_than_a_kilobyte(tuned, airflow):
    run_id, _ = tuned

    returned = airflow.returned("tuned", run_id, "model")

    assert len(str(returned)) < 1024
