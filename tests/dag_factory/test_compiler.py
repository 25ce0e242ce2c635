"""The compiler: what reaches Airflow, the same every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_dag_factory.compiler import compile_all, compile_monitor, compile_one, compile_workflow
from mlops_dag_factory.reading import read_text, read_workflow

SAMPLES = sorted((Path(__file__).parents[2] / "dags" / "workflows").glob("*.yaml"))
TEXT = """
workflow: rain
title: Rain tomorrow
description: "Says whether it rains.\\n\\nSecond line."
owner: weather
tags: [test, sky]
schedule: {cron: "0 3 * * 1", timezone: Europe/Berlin, assets: ["x-lake://days"]}
parameters:
  strength: {type: float, default: 1.0, minimum: 0.1, maximum: 10, description: How strong., section: Model}
  region: {type: enum, choices: [north, south], default: north}
  note: {type: string}
defaults: {retries: 4, retry_delay: 10s, timeout: 1h}
phases:
  days: {type: ingest, source: "days-{{ params.region }}-{{ params.note }}.csv", timeout: 5m, retries: 0}
  parts: {type: split, data: days}
  model:
    type: train
    description: Ask Ana.
    data: parts.train
    target: wet
    estimator: sklearn.linear_model.LogisticRegression
    parameters: {C: "{{ params.strength }}"}
    resources: {pool: heavy, pool_slots: 2, priority: 5}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy > 0.5"]}
  version: {type: register, model: model, after: quality}
  yes: {type: approve, timeout: 1h, after: version}
  live: {type: release, model: version, after: yes}
monitor: {checks: {data_drift: {share: 0.3}}, on_breach: [notify, retrain]}
"""


@pytest.fixture
def workflow():
    return read_text(TEXT)


def test_owner_tags_docs_and_options_reach_airflow(workflow):
    dag = compile_workflow(workflow)

    assert (dag.dag_id, dag.dag_display_name, dag.description) == ("rain", "Rain tomorrow", "Says whether it rains.")
    assert dag.doc_md.endswith("Second line.")
    assert dag.tags == {"test", "sky"}
    assert dag.max_active_runs == 1
    days, model = dag.get_task("days"), dag.get_task("model")
    assert (days.retries, days.execution_timeout, days.owner) == (0, timedelta(minutes=5), "weather")
    assert (model.retries, model.retry_delay, model.execution_timeout) == (4, timedelta(seconds=10), timedelta(hours=1))
    assert (model.pool, model.pool_slots, model.priority_weight, model.doc_md) == ("heavy", 2, 5, "Ask Ana.")


def test_references_and_after_become_edges(workflow):
    dag = compile_workflow(workflow)

    edges = {(up, task.task_id) for task in dag.tasks for up in task.upstream_task_ids}
    assert {
        ("days", "parts"),
        ("parts", "model"),
        ("model", "quality"),
        ("quality", "version"),
        ("yes", "live"),
    } <= edges
    assert dag.get_task("model").inputs == {"data": [("parts", "train")]}


def test_an_approval_shows_the_checkpoints_before_it(workflow):
    assert compile_workflow(workflow).get_task("yes").config["evidence"] == ["quality"]


def test_parameters_become_the_trigger_form(workflow):
    params = compile_workflow(workflow).params

    strength = params.get_param("strength")
    assert strength.value == 1.0
    assert strength.schema["type"] == "number"
    assert (strength.schema["minimum"], strength.schema["maximum"], strength.schema["section"]) == (0.1, 10, "Model")
    assert params.get_param("region").schema["enum"] == ["north", "south"]
    assert params.get_param("note").schema["type"] == ["null", "string"]


def test_drift_retraining_is_added_to_every_schedule(workflow):
    for text in (TEXT, "workflow: a\nphases: {d: {type: ingest, source: x.csv}}\n"):
        dag = compile_workflow(read_text(text))
        assert f"x-mlops://retrain/{dag.dag_id}" in str(dag.timetable.asset_condition)


def test_the_monitor_is_a_dag_of_its_own(workflow):
    dag = compile_monitor(workflow)

    assert dag.dag_id == "rain.monitor"
    assert [task.task_id for task in dag.topological_sort()][:3] == ["window", "check", "decide"]
    assert dag.get_task("decide").downstream_task_ids == {"notify", "retrain"}
    assert [asset.uri for asset in dag.get_task("retrain").outlets] == ["x-mlops://retrain/rain"]


def test_a_large_window_is_profiled_by_mapped_tasks_before_it_is_read():
    text = TEXT.replace("monitor: {", "monitor: {window: {size: 24h, tasks: 4}, ")

    dag = compile_monitor(read_text(text))

    assert list(dag.get_task("hours").expand_input.value["item"]) == [{"part": part} for part in range(4)]
    assert dag.get_task("window").upstream_task_ids == {"hours"}
    assert dag.get_task("window").trigger_rule == "all_done"


SERIALIZE = """
import json, sys
from pathlib import Path
from airflow.serialization.serialized_objects import DagSerialization
from mlops_dag_factory.compiler import compile_monitor, compile_workflow
from mlops_dag_factory.reading import read_workflow
workflow = read_workflow(Path(sys.argv[1]))
dags = [compile_workflow(workflow), compile_monitor(workflow)]
text = json.dumps([DagSerialization.to_dict(dag) for dag in dags if dag], sort_keys=True)
heavy = {"pandas", "numpy", "sklearn", "mlflow", "evidently", "kubernetes", "duckdb", "pyarrow"} & set(sys.modules)
print(json.dumps({"text": text, "heavy": sorted(heavy)}))
"""


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_two_processes_compile_the_same_and_import_nothing_heavy(file, tmp_path):
    answers = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "AIRFLOW_HOME": str(tmp_path)}
        command = [sys.executable, "-c", SERIALIZE, str(file)]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        answers.append(json.loads(out.splitlines()[-1]))

    assert answers[0]["text"] == answers[1]["text"]
    assert answers[0]["heavy"] == []


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_the_samples_compile(file):
    workflow = read_workflow(file)

    assert set(compile_workflow(workflow).task_dict) == set(workflow.phases)


WAITED_FOR = """
workflow: waited
roles: {pair: {users: [rita, una, otto], notify: team, links: {una: mail_una}}}
notify: [{on: "*:waiting,failed", to: role:pair}]
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  yes: {type: approve, roles: pair, approvers: [ana, rita], approvals: 2, after: rows}
"""


def test_a_link_goes_to_its_person_only_where_one_waits_for_them():
    task = compile_workflow(read_text(WAITED_FOR)).get_task("yes")

    [waiting], [failed] = task.notifiers, task.on_failure_callback
    assert waiting.to == {"waiting": ["team", {"conn_id": "mail_una", "user": "una"}]}
    assert failed.to == {"failed": ["team"]}
    assert (task.config["approvers"], task.config["approvals"]) == (["ana", "rita", "una", "otto"], 2)


TUNED = """
workflow: tuned
notify: [{on: "model:started,succeeded,failed", to: team}]
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows}
  model:
    type: train
    data: parts.train
    target: target
    estimator: sklearn.tree.DecisionTreeClassifier
    resources: {pool: heavy}
    timeout: 1h
    tune: {trials: tasks, workers: 4, space: {max_depth: [1, 2, 3]}}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy > 0.5"]}
"""


def test_the_workers_of_a_search_are_mapped_tasks_between_the_data_and_the_training():
    dag = compile_workflow(read_text(TUNED))

    trial, model = dag.get_task("model.trial"), dag.get_task("model")
    assert (trial.upstream_task_ids, model.upstream_task_ids) == ({"parts"}, {"model.trial"})
    assert dag.get_task("quality").upstream_task_ids == {"model", "parts"}
    assert trial.expand_input.value == {"worker": [1, 2, 3, 4]}
    assert (trial.pool, trial.execution_timeout) == ("heavy", timedelta(hours=1))
    assert model.trigger_rule == "none_failed"
    assert trial.partial_kwargs["config"] == model.config
    assert trial.partial_kwargs["inputs"] == model.inputs


def test_people_hear_of_a_training_once_and_of_its_workers_only_when_they_fail():
    dag = compile_workflow(read_text(TUNED))

    trial, model = dag.get_task("model.trial"), dag.get_task("model")
    assert model.on_success_callback
    assert model.on_execute_callback
    assert not trial.partial_kwargs.get("on_success_callback")
    assert not trial.partial_kwargs.get("on_execute_callback")
    assert trial.partial_kwargs["on_failure_callback"]


def test_the_report_of_a_search_is_an_output_only_where_there_is_a_search():
    tuned = read_text(TUNED).phases["model"]
    plain = tuned.model_copy(update={"tune": None})

    assert (tuned.output_kind("search"), plain.output_kind("search")) == ("report", None)


def test_where_a_phase_runs_reaches_its_operator_with_the_defaults_beneath():
    workflow = read_text("""
workflow: rain
defaults: {resources: {runtime: docker, image: "lab:1", memory: 2Gi, pool: heavy}}
phases:
  days: {type: ingest, source: days.csv, resources: {memory: 4Gi, env: {MODE: wet}}}
  parts: {type: split, data: days, resources: {runtime: inline}}
  model: {type: train, data: parts.train, target: wet, estimator: sklearn.svm.SVC}
  version: {type: register, model: model}
  live: {type: deploy, model: version}
""")

    dag = compile_workflow(workflow)

    common = {"runtime": "docker", "image": "lab:1", "memory": "2Gi"}
    assert dag.get_task("days").place == {**common, "memory": "4Gi", "env": {"MODE": "wet"}}
    assert dag.get_task("model").place == common
    assert (dag.get_task("parts").place, dag.get_task("parts").pool) == ({}, "heavy")
    assert dag.get_task("live").place == {}
    assert '"memory": "4Gi"' in dag.get_task("days").control_text


STOPPING = """
workflow: rain
phases:
  days: {type: ingest, source: x.csv}
  model: {type: train, data: days, target: wet, estimator: sklearn.dummy.DummyClassifier}
  candidate: {type: register, model: model}
  staging: {type: deploy, model: candidate, stop_after: 4h}
  live: {type: release, model: candidate}
"""


def test_services_that_stop_by_themselves_have_a_dag_that_waits_for_it():
    workflow = read_text(STOPPING)

    dags = {dag.dag_id: dag for dag in compile_all(workflow)}

    assert list(dags) == ["rain", "rain.stop"]
    assert [asset.uri for asset in dags["rain"].get_task("staging").outlets] == ["x-mlops://stops/rain"]
    assert "x-mlops://stops/rain" in str(dags["rain.stop"].timetable.asset_condition)
    assert compile_one(workflow, "rain.stop").task_ids == ["stop"]
    assert compile_one(workflow, "rain.monitor") is None
    assert compile_one(workflow, "rain.other") is None


def test_phases_that_run_elsewhere_import_no_client_of_it(tmp_path):
    text = "workflow: w\nphases:\n" + "".join(
        f"  {runtime}: {{type: ingest, source: a.csv, resources: {{runtime: {runtime}{more}}}}}\n"
        for runtime, more in (("venv", ""), ("docker", ", image: i"), ("kubernetes", ", image: i"))
    )
    (tmp_path / "w.yaml").write_text(text)
    command = [sys.executable, "-c", SERIALIZE.replace('"kubernetes"', '"kubernetes", "docker"'), tmp_path / "w.yaml"]
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}

    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert json.loads(out.splitlines()[-1])["heavy"] == []


def test_every_action_of_the_monitor_is_a_task_beside_the_others(workflow):
    actions = "[notify, {fallback: alternate}, retrain, {todo: 'role:night'}, stop]"
    people = "roles: {night: {users: [olga], notify: pager}}\nnotify: [{on: '*:breach', to: chat}]\n"
    text = TEXT.replace("on_breach: [notify, retrain]}", f"on_breach: {actions}, notify: ['role:night', chat]}}")

    dag = compile_monitor(read_text(people + text.lstrip()))

    before = {name: dag.task_dict[name].upstream_task_ids for name in dag.task_dict}
    assert all(before[name] == {"decide"} for name in ("notify", "fallback", "retrain", "todo"))
    assert before["stop"] == {"decide", "fallback"}
    assert dag.task_dict["notify"].to == ["pager", "chat"]
    assert dag.task_dict["todo"].config["on_breach"][3] == {"todo": {"role": "night", "users": ["olga"]}}
    for name in ("window", "check", "decide", "notify", "fallback", "retrain", "todo", "stop"):
        [told] = dag.task_dict[name].on_failure_callback
        assert (told.to, told.phase) == ({"failed": ["pager", "chat"]}, f"monitor.{name}")


def test_a_monitor_that_fails_is_told_and_one_that_works_tells_nobody_every_hour(workflow):
    notify = "notify: [{on: 'started,succeeded,failed', to: on_call}, {on: 'model:failed', to: maker}]\n"

    dag = compile_monitor(read_text(notify + TEXT.lstrip()))

    for name in ("window", "check", "decide"):
        task = dag.task_dict[name]
        assert (list(task.on_execute_callback), list(task.on_success_callback)) == ([], [])
        [told] = task.on_failure_callback
        assert told.to == {"failed": ["on_call"]}


def test_who_a_notice_of_breaches_names_is_told_that_the_retrained_model_is_not_better(workflow):
    notify = "notify: [{on: 'breach', to: chat}]\n"

    dag = compile_workflow(read_text(notify + TEXT.lstrip()))

    evaluations = [task for task in dag.tasks if task.task_type == "EvaluateModelOperator"]
    assert [task.on_failure_callback[0].asked for task in evaluations] == [["chat"]] * len(evaluations) != []
