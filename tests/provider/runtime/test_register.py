"""Register: one version per run, whatever happens in between."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest

from mlops_dag_factory.spec import EvaluateSpec, RegisterSpec
from mlops_provider.exceptions import ConfigError, RegistryError
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


def test_another_model_in_the_same_run_is_another_version(bench):
    first, _, _ = bench.model()
    second, _, _ = bench.model("sklearn:wine")

    versions_made = [bench.version(model).version for model in (first, second, first, second)]

    assert versions_made == ["1", "2", "1", "2"]
    api = tracking.client(bench.tracking_uri)
    assert [api.get_model_version("flow", v).tags[tracking.DIGEST_TAG] for v in "12"] == [first.digest, second.digest]


def test_a_version_says_where_it_comes_from(bench):
    model, train, _ = bench.model()

    bench.version(model)

    found = tracking.client(bench.tracking_uri).get_model_version("flow", "1")
    assert found.source == model.uri
    assert found.tags == {
        "mlops.identity": "flow/run-1/register",
        "mlops.digest": model.digest,
        "mlops.data": train.digest,
        "mlops.workflow": "flow",
        "mlops.run_id": "run-1",
        "mlops.owner": "ana",
    }


def test_one_tracking_run_holds_all_phases_of_the_run(bench):
    model, _, test = bench.model()
    bench.run(EvaluateSpec(model="m", data="d", gates=["accuracy > 0.5"]), {"model": model, "data": test})
    bench.version(model)

    api = tracking.client(bench.tracking_uri)
    [run] = api.search_runs([api.get_experiment_by_name("flow").experiment_id])
    assert run.data.metrics["ingest.rows"] == 150
    assert run.data.metrics["split.test_rows"] == 45
    assert run.data.metrics["evaluate.accuracy"] > 0.5
    assert run.data.params["ingest.source"] == "sklearn:iris"
    assert run.data.params["train.max_iter"] == "2000"
    assert run.data.tags["mlops.evaluate.verdict"] == "passed"


def register_at_once(bench, model, barrier):
    tracking.client(bench.tracking_uri)
    barrier.wait()
    bench.version(model)


def test_attempts_at_the_same_moment_leave_one_version(bench):
    registry, bench.tracking_uri = bench.tracking_uri, ""
    model, _, _ = bench.model()  # without MLflow: the children are forked before a client is open
    bench.tracking_uri = registry
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    children = [context.Process(target=register_at_once, args=(bench, model, barrier)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)

    assert [child.exitcode for child in children] == [0, 0, 0, 0]
    assert len(versions(bench)) == 1
    api = tracking.client(bench.tracking_uri)
    assert len(api.search_runs([api.get_experiment_by_name("flow").experiment_id])) == 1


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


def test_a_name_that_the_registry_refuses_is_not_tried_again(bench):
    model, _, _ = bench.model()

    with pytest.raises(ConfigError, match="Invalid model name"):
        bench.run(RegisterSpec(model="m", name="a/b"), {"model": model})


def test_a_registry_that_cannot_be_written_may_be_tried_again():
    with pytest.raises(RegistryError, match="cannot be written"):
        tracking.client("sqlite:////proc/none/mlflow.db")
