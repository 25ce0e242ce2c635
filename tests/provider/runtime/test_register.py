"""Register: one version per run, whatever happens in between."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest

from mlops_dag_factory.spec import RegisterSpec
from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime import tracking


def versions(bench):
    api = tracking.client(bench.context("x", "x").tracking_uri)
    return sorted(int(version.version) for version in api.search_model_versions("name = 'flow'"))


def test_a_retry_finds_the_version_that_is_there(bench):
    model, _, _ = bench.model()

    first = bench.version(model, attempt=1)
    second = bench.version(model, attempt=2)

    assert (first.version, second.version) == ("1", "1")
    assert versions(bench) == [1]


def test_another_run_makes_another_version(bench):
    model, _, _ = bench.model()

    bench.version(model, run_id="run-1")
    bench.version(model, run_id="run-2")

    assert versions(bench) == [1, 2]
    uri = bench.context("x", "x").tracking_uri
    assert tracking.client(uri).get_model_version_by_alias("flow", "challenger").version in {2, "2"}


def register_and_die(bench, model, moment):
    original = getattr(tracking, moment)

    def die(*args, **kwargs):
        if moment == "tracking_run":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(tracking, moment, die)
    bench.version(model)


@pytest.mark.kill
@pytest.mark.parametrize("moment", ["tracking_run", "set_alias"])
def test_killed_before_or_after_the_version_is_made_one_is_left(bench, moment):
    registry, bench.tracking_uri = bench.tracking_uri, ""
    model, _, _ = bench.model()  # without MLflow: the child is forked before a client is open
    bench.tracking_uri = registry
    child = multiprocessing.get_context("fork").Process(target=register_and_die, args=(bench, model, moment))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL

    version = bench.version(model, attempt=2)

    assert version.version == "1"
    assert versions(bench) == [1]


def first_use(uri):
    tracking.client(uri).search_experiments()


def test_four_processes_may_meet_a_fresh_database(tmp_path):
    uri = f"sqlite:///{tmp_path / 'fresh.db'}"
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=first_use, args=(uri,)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)

    assert [child.exitcode for child in children] == [0, 0, 0, 0]


def test_without_a_registry_it_says_what_to_set(bench):
    model, _, _ = bench.model()

    with pytest.raises(ConfigError, match="no model registry"):
        bench.run(RegisterSpec(model="m"), {"model": model}, tracking_uri="")
