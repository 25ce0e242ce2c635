"""A search goes on after a crash where it was, and whoever runs its trials, none is run twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mlops_provider.runtime.tuning import study_key
from mlops_provider.runtime.tuning.search import Search

MODULES = Path(__file__).parent / "modules"
TREE, DEADLY = "tuned_parts:tree", "tuned_parts:deadly"
ALLOWED = ("sklearn.", "tuned_parts")


@pytest.fixture(autouse=True)
def marks(tmp_path, monkeypatch):
    file = tmp_path / "marks.txt"
    file.touch()
    monkeypatch.setenv("TUNE_MARKS", str(file))
    monkeypatch.setenv("PYTHONPATH", f"{MODULES}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(str(MODULES))
    return file


def fits(marks):
    """Give how often each depth was fitted."""
    return Counter(int(line.split()[1]) for line in marks.read_text().splitlines())


def start(searches, config, data):
    """Start the training in a process of its own, as a container does."""
    task = {
        "spec": "mlops_dag_factory.spec.train:TrainSpec",
        "config": config.model_dump(mode="json", exclude_defaults=True),
        "inputs": {"data": [data.to_dict()]},
        "context": searches.context(allowed_imports=ALLOWED, tracking_uri="").to_dict(),
    }
    command = [sys.executable, "-m", "mlops_provider.runtime", "train", json.dumps(task)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_fits(marks, count, process):
    while sum(fits(marks).values()) < count:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)


def depths(count, **more):
    return {"search": "grid", "space": {"depth": list(range(1, count + 1))}, "cv": 2, **more}


@pytest.mark.kill
def test_after_a_kill_in_mid_search_no_finished_trial_is_run_again(searches, marks):
    data = searches.bench.dataset("sklearn:iris")
    config = searches.config(TREE, parameters={"nap": 0.15}, **depths(6))
    killed = start(searches, config, data)
    wait_for_fits(marks, 5, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = fits(marks)

    found = searches.find(config, data, allowed_imports=ALLOWED)

    assert [trial.state for trial in found.trials] == ["finished"] * 6
    again = fits(marks) - before
    assert not again.keys() & {1, 2}  # both folds of two trials were fitted
    assert all(count <= 3 for count in fits(marks).values())  # the one that was cut short had one fold


def test_two_processes_share_a_search_and_give_the_same_model(searches, marks):
    data = searches.bench.dataset("sklearn:iris")
    config = searches.config(TREE, parameters={"nap": 0.2}, **depths(8))

    processes = [start(searches, config, data) for _ in range(2)]
    said = [process.communicate()[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], said
    outputs = [json.loads(text.splitlines()[-1])["outputs"]["model"]["digest"] for text in said]
    assert outputs[0] == outputs[1]
    trials = sum(fits(marks).values()) - 2  # each of the two fits the best on all rows
    assert trials == 8 * 2
    assert len({line.split()[0] for line in marks.read_text().splitlines()}) == 2


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_at_once_run_each_trial_once_and_give_the_same_as_one(searches, marks, backend):
    data = searches.bench.dataset("sklearn:iris")
    config = searches.config(TREE, **depths(5))
    alone = searches.find(config, data, workflow="alone", allowed_imports=ALLOWED)
    marks.write_text("")

    many = config.model_copy(update={"tune": config.tune.model_copy(update={"workers": 3, "backend": backend})})
    found = searches.find(many, data, allowed_imports=ALLOWED)

    assert [trial.error for trial in found.trials] == [""] * 5
    assert fits(marks) == dict.fromkeys(range(1, 6), 2)
    assert [(t.parameters, t.folds) for t in found.trials] == [(t.parameters, t.folds) for t in alone.trials]


@pytest.mark.kill
def test_a_trial_that_kills_its_process_is_given_up_and_the_others_are_not_blamed(searches, marks):
    data = searches.bench.dataset("sklearn:iris")
    config = searches.config(DEADLY, **depths(5, workers=2))

    found = searches.find(config, data, allowed_imports=ALLOWED)

    assert [trial.state for trial in found.trials] == ["finished", "finished", "failed", "finished", "finished"]
    assert "all 3 processes that tried it were ended: did they run out of memory" in found.trials[2].error
    assert 1 <= fits(marks)[3] <= 3  # each of the two that take it over may be ended before it leaves a mark


def test_the_trial_of_a_dead_worker_elsewhere_is_taken_over_and_that_of_a_living_one_is_not(searches, marks):
    data = searches.bench.dataset("sklearn:iris")
    config = searches.config(TREE, **depths(3))
    context = searches.context(allowed_imports=ALLOWED)
    search = Search.open(config, searches.data(config, data), context)
    key, files = search.study.key, search.study.store.files

    def elsewhere(name, age):
        sign = {"machine": "another", "pid": 1, "process": "1", "at": time.time() - age}
        files.write(f"{key}/worker-{name}.json", json.dumps(sign).encode())

    elsewhere("dead", 1000)
    elsewhere("alive", 5)
    for number, name in enumerate(["dead", "alive"]):
        search.study.claim(number, 0, name, search.sampler.propose(number, {}, {}))

    search.work(stay=False)

    assert sorted(search.study.trials()) == [0, 2]
    assert fits(marks) == {1: 2, 3: 2}


def test_where_a_search_runs_and_for_how_long_does_not_make_it_another(searches):
    data = searches.bench.dataset("sklearn:iris")
    config = searches.config(TREE, **depths(3))
    elsewhere = searches.config(TREE, **depths(3, trials="tasks", workers=4, backend="dask", timeout="1h"))
    other = searches.config(TREE, **depths(3), seed=1)
    context = searches.context(allowed_imports=ALLOWED)

    keys = [study_key(each, searches.data(each, data), context) for each in (config, elsewhere, other)]

    assert keys[0] == keys[1] != keys[2]


def test_no_trial_starts_after_the_timeout_and_the_best_so_far_is_taken(searches, marks):
    config = searches.config(TREE, parameters={"nap": 0.3}, **depths(20, timeout="1s"))

    found = searches.find(config, "sklearn:iris", allowed_imports=ALLOWED)

    assert 1 <= len(found.trials) < 20
    assert found.best in found.trials


def test_what_failed_is_tried_again_by_the_next_search_and_what_finished_is_not(searches, marks):
    data = searches.bench.dataset("sklearn:iris")
    config = searches.config(TREE, search="grid", space={"depth": [1, -1]}, cv=2)
    searches.find(config, data, allowed_imports=ALLOWED)
    before = fits(marks)

    found = searches.find(config, data, allowed_imports=ALLOWED, run_id="run-2")

    assert fits(marks) == before
    assert [(trial.state, trial.run_id) for trial in found.trials] == [("finished", "run-1"), ("failed", "run-2")]
