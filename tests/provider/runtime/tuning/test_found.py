"""What a search leaves behind: numbers, words, a page, and a child run in MLflow for each trial, once."""

from __future__ import annotations

import json

from mlops_provider.runtime import tracking
from mlops_provider.runtime.phase import run_phase

SPACE = {"max_depth": [1, 3, -1], "criterion": ["gini"]}


def tuned(bench, searches, **context):
    config = searches.config("sklearn.tree.DecisionTreeClassifier", search="grid", space=SPACE)
    return run_phase(config, {"data": [bench.dataset("sklearn:wine")]}, bench.context("model", "train", **context))


def children(bench):
    api = tracking.client(bench.tracking_uri)
    runs = api.search_runs([api.get_experiment_by_name("flow").experiment_id])
    return [run for run in runs if "mlflow.parentRunId" in run.data.tags]


def test_the_training_says_what_was_searched_and_shows_it_on_a_page(bench, searches):
    outcome = tuned(bench, searches).outcome

    assert outcome.metrics["tune.trials"] == 3
    assert (outcome.metrics["tune.finished"], outcome.metrics["tune.failed"]) == (2, 1)
    assert "| 1 | gini | 3 |" in outcome.summary
    assert outcome.details["tune"]["parameters"] == {"criterion": "gini", "max_depth": 3}
    assert "'max_depth'" in next(iter(outcome.details["tune"]["errors"]))
    folder = bench.store.open(outcome.outputs["search"]).folder
    page = (folder / "report.html").read_text()
    assert page.count("<polyline") == 2
    assert "http" not in page
    assert [trial["number"] for trial in json.loads((folder / "report.json").read_text())["trials"]] == [0, 1, 2]


def test_the_report_of_the_same_search_elsewhere_has_the_same_digest(bench, searches):
    first = tuned(bench, searches, run_id="run-1").outcome.outputs
    again = tuned(bench, searches, run_id="run-2").outcome.outputs

    assert first["search"].digest == again["search"].digest
    assert first["model"].digest == again["model"].digest


def test_every_trial_is_a_child_run_once_even_when_the_task_is_repeated(bench, searches):
    tuned(bench, searches)
    tuned(bench, searches, attempt=2)

    found = sorted(children(bench), key=lambda run: run.data.tags["mlops.trial"])
    assert [run.info.status for run in found] == ["FINISHED", "FINISHED", "FAILED"]
    assert [run.data.params["max_depth"] for run in found] == ["1", "3", "-1"]
    assert len({run.data.tags["mlflow.parentRunId"] for run in found}) == 1
    assert found[0].data.metrics["accuracy"] < found[1].data.metrics["accuracy"]
    assert "'max_depth'" in found[2].data.tags["mlops.error"]
