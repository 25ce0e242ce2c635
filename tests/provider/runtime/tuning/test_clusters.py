"""Workers of a search on Dask and Ray read the data themselves and share the trials as everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_provider.exceptions import MissingExtraError
from mlops_provider.runtime.tuning import workers

MODULES = Path(__file__).parent / "modules"


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_workers_of_a_cluster_run_the_trials_once_elsewhere_and_give_the_same_as_one(
    searches, tmp_path, monkeypatch, backend
):
    marks = tmp_path / "marks.txt"
    monkeypatch.setenv("TUNE_MARKS", str(marks))
    monkeypatch.setenv("PYTHONPATH", f"{MODULES}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(str(MODULES))
    data, allowed = searches.bench.dataset("sklearn:iris"), ("tuned_parts",)
    config = searches.config("tuned_parts:tree", search="grid", space={"depth": [1, 2, 3]}, cv=2)
    alone = searches.find(config, data, workflow="alone", allowed_imports=allowed)
    marks.write_text("")

    many = config.model_copy(update={"tune": config.tune.model_copy(update={"workers": 2, "backend": backend})})
    found = searches.find(many, data, allowed_imports=allowed)

    assert [(t.parameters, t.folds) for t in found.trials] == [(t.parameters, t.folds) for t in alone.trials]
    pids, depths = zip(*(line.split() for line in marks.read_text().splitlines()), strict=True)
    assert sorted(depths) == ["1", "1", "2", "2", "3", "3"]
    assert str(os.getpid()) not in pids


def test_a_backend_that_is_not_installed_says_how_to_install_it(searches, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    config = searches.config(search="grid", space={"C": [0.1, 1.0]}, workers=2, backend="dask")

    with pytest.raises(MissingExtraError, match=r"airflow-provider-mlops\[dask\]"):
        searches.find(config)


def test_a_single_worker_needs_no_backend(searches, monkeypatch):
    monkeypatch.setattr(workers, "work_at_once", None)
    config = searches.config(search="grid", space={"C": [1.0]}, backend="ray")

    assert len(searches.find(config).trials) == 1
