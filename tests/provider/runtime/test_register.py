"""Register: one version per run, whatever happens in between."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from functools import partial

import pytest

from mlops_dag_factory.spec import EvaluateSpec, RegisterSpec, TrainSpec
from mlops_provider.exceptions import ConfigError, DigestMismatchError, RegistryError
from mlops_provider.runtime import register, tracking
from mlops_provider.runtime.outside import code_digest
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.model_versions import home_of, list_versions, read_version
from mlops_provider.store.standing import read_standing
from mlops_provider.store.store import json_digest


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


def register_and_die(bench, model, place, moment):
    module = {"tracking": tracking, "register": register}[place]
    original = getattr(module, moment)

    def die(*args, **kwargs):
        if moment == "tracking_run":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, moment, die)
    bench.version(model)


STEPS = [
    ("tracking", "tracking_run"),
    ("register", "claim_name"),
    ("register", "write_version"),
    ("register", "record_version"),
    ("register", "mirror_aliases"),
    ("tracking", "set_alias"),
    ("tracking", "mirror"),
]
"""What a registration does, in order; a step dies before it begins, the first one after it has ended."""


def assert_one_of_everything(bench):
    assert versions(bench) == [1]
    chain = Chain(bench.store, "flow")
    assert [entry.kind for entry in chain.entries()] == ["registered"]
    assert check_chain(chain) == []
    assert list_versions(bench.store, "flow") == ["1"]
    api = tracking.client(bench.tracking_uri)
    assert str(api.get_model_version_by_alias("flow", "challenger").version) == "1"


@pytest.mark.kill
@pytest.mark.parametrize(("place", "moment"), STEPS)
def test_killed_between_any_two_steps_one_version_is_left(bench, place, moment):
    registry, bench.tracking_uri = bench.tracking_uri, ""
    model, _, _ = bench.model()  # without MLflow: the child is forked before a client is open
    bench.tracking_uri = registry
    child = multiprocessing.get_context("fork").Process(target=register_and_die, args=(bench, model, place, moment))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL

    version = bench.version(model, attempt=2)

    assert version.version == "1"
    assert_one_of_everything(bench)


@pytest.mark.kill
def test_killed_at_any_moment_again_and_again_one_version_is_left(bench):
    import mlflow  # noqa: F401 (the children are forked with it: they die at work, not at the import)

    registry, bench.tracking_uri = bench.tracking_uri, ""
    model, _, _ = bench.model()
    bench.tracking_uri = registry
    context = multiprocessing.get_context("fork")
    for round_ in range(14):
        children = [context.Process(target=bench.version, args=(model,)) for _ in range(2)]
        for child in children:
            child.start()
        time.sleep(0.15 * (round_ + 1) + random.random() / 5)
        for child in children:
            child.kill()
            child.join(60)

    bench.version(model, attempt=2)

    assert_one_of_everything(bench)


def test_a_version_that_a_killed_attempt_left_over_is_removed_by_the_next_run(bench):
    model, _, _ = bench.model()
    bench.version(model)
    api = tracking.client(bench.tracking_uri)
    tags = api.get_model_version("flow", "1").tags
    api.create_model_version("flow", model.uri, tags=tags)  # a second attempt, killed right after this

    third = bench.version(model, run_id="run-2")

    assert third.version == "3"
    assert versions(bench) == [1, 3]


def test_bytes_that_changed_after_the_training_are_not_registered(bench):
    model, _, _ = bench.model()
    path = bench.store.open(model).folder / "model.skops"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(DigestMismatchError, match="the content was changed after it was published") as error:
        bench.version(model)

    assert not error.value.retryable
    assert "model.skops has digest" in error.value.message
    assert home_of(bench.store, "flow") is None, "nothing was registered"


def test_a_registry_that_counts_again_from_one_is_refused(bench):
    first, _, _ = bench.model()
    second, _, _ = bench.model("sklearn:wine")
    bench.version(first)

    with pytest.raises(ConfigError, match="version 1 of 'flow' is another model") as error:
        bench.version(second, run_id="run-2", tracking_uri=f"sqlite:///{bench.root / 'empty.db'}")

    assert "restore its database" in error.value.hint


def test_the_document_of_a_version_tells_its_whole_lineage(bench):
    model, train, test = bench.model()
    judged = bench.run(EvaluateSpec(model="m", data="d", gates=["accuracy > 0.5"]), {"model": model, "data": test})

    version = bench.version(model, reason={"kind": "manual", "by": "ben"}, parameters={"c": 1})

    document = read_version(bench.store, "flow", "1")
    lineage = document["lineage"]
    assert (document["digest"], document["run"], document["owner"]) == (version.digest, "run-1", "ana")
    assert document["reason"] == {"kind": "manual", "by": "ben"}
    assert lineage["data"]["training"] == [train.digest]
    assert lineage["data"]["evaluation"] == [test.digest]
    made_of = lineage["data"]["made_of"]
    [rows] = made_of[train.digest]["made_of"]
    assert (made_of[rows]["type"], made_of[rows]["lineage"]["sources"]) == ("ingest", "sklearn:iris")
    assert lineage["model"]["estimator"] == "sklearn.linear_model.LogisticRegression"
    assert any("scikit-learn" in needed for needed in lineage["model"]["requirements"])
    assert lineage["parameters"]["training"]["parameters"] == {"max_iter": 2000}
    assert lineage["parameters"]["run"] == {"c": 1}
    assert lineage["metrics"]["evaluate"]["accuracy"] == judged.metrics["accuracy"]
    [verdict] = lineage["verdicts"]
    assert (verdict["phase"], verdict["status"]) == ("evaluate", "passed")
    assert lineage["records"].keys() >= {"ingest", "split", "train", "evaluate"}
    [entry] = Chain(bench.store, "flow").entries()
    assert (entry.by, entry.payload["document"]) == ("ben", json_digest(document))


FUNCTION = """
from sklearn.naive_bayes import GaussianNB


def fit(table, target, features, **_):
    frame = table.to_pandas()
    return GaussianNB().fit(frame[features], frame[target])
"""


def test_the_code_of_a_function_is_in_the_lineage(bench, tmp_path, monkeypatch):
    (tmp_path / "own_training.py").write_text(FUNCTION)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bench, "context", partial(bench.context, allowed_imports=("sklearn.", "own_training")))
    spec = TrainSpec(data="d", target="target", python="own_training:fit")
    model = bench.run(spec, {"data": bench.dataset("sklearn:iris")}).outputs["model"]

    bench.version(model)

    functions = read_version(bench.store, "flow", "1")["lineage"]["code"]["functions"]
    assert functions["train"] == {"own_training:fit": code_digest("own_training:fit")}


def test_a_late_retry_does_not_make_an_old_version_the_challenger_again(bench):
    first, _, _ = bench.model()
    second, _, _ = bench.model("sklearn:wine")
    bench.version(first, run_id="run-1")
    bench.version(second, run_id="run-2")

    bench.version(first, run_id="run-1", attempt=2)

    assert read_standing(bench.store, "flow").challenger.version == "2"
    assert [entry.kind for entry in Chain(bench.store, "flow").entries()] == ["registered", "registered"]


def test_a_version_that_shall_not_be_the_challenger_is_only_registered(bench):
    model, _, _ = bench.model()

    outcome = bench.run(RegisterSpec(model="m", challenger=False), {"model": model})

    assert "is registered" in outcome.summary
    assert read_standing(bench.store, "flow").challenger is None


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
