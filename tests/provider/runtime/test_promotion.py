"""Promotion: one at a time, judged against who is champion now; the chain is the truth and MLflow its mirror."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import time
from datetime import timedelta

import pytest

from mlops_dag_factory.spec import EvaluateSpec, RegisterSpec
from mlops_provider.exceptions import PromotionRefusedError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.aliases import actor_of, mirror_aliases
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.records import note
from mlops_provider.runtime.witnesses import record_witnesses, registry_witnesses
from mlops_provider.store import promotions
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.model_versions import write_version
from mlops_provider.store.standing import Holder, read_standing

WAIT = timedelta(seconds=20)


def promotion(bench, version, run_id, **context):
    return Promotion.of(bench.context("live", "release", run_id=run_id, **context), version)


def promote(bench, version, run_id):
    made = promotion(bench, version, run_id)
    made.reserve(WAIT)
    return made.complete({})


def standing(bench, name="flow"):
    return read_standing(bench.store, name)


def kinds(bench):
    return [entry.kind for entry in Chain(bench.store, "flow").entries()]


def judge(bench, model, rows, run_id, attempt=1):
    spec = EvaluateSpec(model="m", data="d", gates=["accuracy > 0.2"])
    return bench.run(spec, {"model": model, "data": rows}, run_id=run_id, attempt=attempt)


@pytest.fixture
def trained(bench):
    """Give two models that differ and the rows that judge them."""
    first, _, rows = bench.model(parameters={"max_iter": 2000, "C": 0.01})
    second, _, _ = bench.model(parameters={"max_iter": 2000})
    return first, second, rows


def test_a_version_judged_against_an_earlier_champion_is_refused_until_it_is_judged_again(bench, trained):
    first, second, rows = trained
    for run_id, model in (("run-1", first), ("run-2", second)):
        judge(bench, model, rows, run_id)
    one, two = bench.version(first, run_id="run-1"), bench.version(second, run_id="run-2")
    promote(bench, one, "run-1")

    with pytest.raises(PromotionRefusedError) as refusal:
        promote(bench, two, "run-2")

    said = str(refusal.value)
    assert not refusal.value.retryable
    assert "version 2 of 'flow' was judged against no champion, as there was none" in said
    assert f"version 1 has been promoted since, by 'ana' in run run-1 at {standing(bench).champion.at}" in said
    assert "clear the run from its evaluate phase on" in said
    judge(bench, second, rows, "run-2", attempt=2)
    assert promote(bench, two, "run-2").champion.version == "2"


def test_without_an_evaluation_the_champion_at_registration_counts(bench, trained):
    first, second, _ = trained
    one, two = bench.version(first, run_id="run-1"), bench.version(second, run_id="run-2")
    promote(bench, one, "run-1")

    with pytest.raises(PromotionRefusedError, match="promoted since, by 'ana' in run run-1"):
        promote(bench, two, "run-2")

    three = bench.version(second, run_id="run-3")
    assert promote(bench, three, "run-3").champion.version == "3"


def test_a_retry_of_a_promotion_that_is_done_adds_nothing(bench, trained):
    one = bench.version(trained[0])
    promote(bench, one, "run-1")

    promote(bench, one, "run-1")

    assert kinds(bench) == ["registered", "reserved", "champion"]


def test_what_was_given_up_makes_place_for_the_next(bench, trained):
    first, second, _ = trained
    one, two = bench.version(first, run_id="run-1"), bench.version(second, run_id="run-2")
    failed = promotion(bench, one, "run-1")
    failed.reserve(WAIT)
    failed.give_up("no server is healthy")

    assert promote(bench, two, "run-2").champion.version == "2"
    [given_up] = [entry for entry in Chain(bench.store, "flow").entries() if entry.kind == "given_up"]
    assert given_up.payload["why"] == "no server is healthy"


def test_the_reservation_of_a_dead_run_lapses_and_who_comes_back_late_is_refused(bench, trained):
    first, second, _ = trained
    one, two = bench.version(first, run_id="run-1"), bench.version(second, run_id="run-2")
    dead = promotion(bench, one, "run-1")
    dead.reserve(timedelta(seconds=-61))  # lapsed when it is made: a minute is added

    promote(bench, two, "run-2")

    with pytest.raises(PromotionRefusedError, match="no longer reserved, and version 2 has been promoted since"):
        dead.complete({})
    [taken] = [e for e in Chain(bench.store, "flow").entries() if e.payload.get("takes_over")]
    assert taken.payload["takes_over"] == "flow/run-1/live"
    assert standing(bench).champion.version == "2"


def test_a_rollback_is_on_record_and_refuses_what_was_under_way(bench, trained):
    first, second, _ = trained
    one = bench.version(first, run_id="run-1")
    promote(bench, one, "run-1")
    two = bench.version(second, run_id="run-2")
    promote(bench, two, "run-2")
    three = promotion(bench, bench.version(first, run_id="run-3"), "run-3")
    three.reserve(WAIT)
    context = bench.context("undo", "rollback", run_id="run-4")

    promotions.roll_back(bench.store, "flow", "flow", Holder.of(bench.store, one, actor_of(context)), actor_of(context))

    assert standing(bench).champion.version == "1"
    assert Chain(bench.store, "flow").last().payload["from"] == "2"
    with pytest.raises(PromotionRefusedError, match="no longer reserved, and version 1 has been promoted since"):
        three.complete({})


def test_who_approved_and_what_was_decided_is_in_the_entry(bench, trained):
    first, _, rows = trained
    judge(bench, first, rows, "run-1")
    version = bench.version(first)
    decision = {"choice": "approved", "by": {"id": "rita", "name": "Rita"}, "at": "2026-01-01T00:00:00+00:00"}
    details = {"approved": True, "decisions": [decision]}
    note(bench.context("approval", "approve"), started="2026-01-01", summary="", details=details)

    entry = promote(bench, version, "run-1").entry

    assert entry.payload["approvals"] == [{"phase": "approval", "by": "Rita", "at": "2026-01-01T00:00:00+00:00"}]
    assert [(each["phase"], each["status"]) for each in entry.payload["verdicts"]] == [("evaluate", "passed")]
    assert all(len(each["digest"]) == 64 for each in entry.payload["verdicts"])


def test_an_alias_moved_in_mlflow_is_put_back_said_and_recorded(bench, trained, caplog):
    first, second, _ = trained
    one = bench.version(first, run_id="run-1")
    promote(bench, one, "run-1")
    context = bench.context("live", "release", run_id="run-1")
    mirror_aliases(context, "flow", "flow")
    bench.version(second, run_id="run-2")
    tracking.set_alias(bench.tracking_uri, "flow", tracking.CHAMPION, "2")

    known = tracking.champion(bench.store, bench.tracking_uri, "flow").version
    with caplog.at_level(logging.WARNING):
        outcome = bench.run(RegisterSpec(model="m"), {"model": second}, run_id="run-3")

    assert known == "1", "the chain decides"
    assert tracking.registered_champion(bench.tracking_uri, "flow").version == "1"
    assert "Alias 'champion' of 'flow' pointed at version 2 in MLflow; version 1 was put back." in outcome.summary
    assert "release a version to change it" in caplog.text
    [repair] = [entry for entry in Chain(bench.store, "flow").entries() if entry.kind == "alias_put_back"]
    assert (repair.payload["found"], repair.payload["put_back"]) == ("2", "1")


def test_an_alias_that_a_crash_left_behind_is_put_right_without_a_word(bench, trained, caplog):
    one = bench.version(trained[0], run_id="run-1")
    promote(bench, one, "run-1")  # the chain moved, MLflow was not told
    assert tracking.registered_champion(bench.tracking_uri, "flow") is None

    bench.version(trained[1], run_id="run-2")

    assert tracking.registered_champion(bench.tracking_uri, "flow").version == "1"
    assert "alias_put_back" not in kinds(bench)
    api = tracking.client(bench.tracking_uri)
    assert {name: str(v) for name, v in api.get_registered_model("flow").aliases.items()} == {
        "champion": "1",
        "challenger": "2",
    }


def test_a_champion_that_only_mlflow_knows_is_adopted(bench, trained):
    first, second, rows = trained
    one = bench.version(first, run_id="run-1")
    tracking.set_alias(bench.tracking_uri, "flow", tracking.CHAMPION, one.version)
    judged = judge(bench, second, rows, "run-2").details["judged_against"]
    two = bench.version(second, run_id="run-2")

    promote(bench, two, "run-2")

    assert judged == {"name": "flow", "version": "1", "digest": first.digest}
    assert kinds(bench) == ["registered", "adopted", "registered", "reserved", "champion"]


def test_two_workflows_that_register_one_name_have_one_champion(bench, trained):
    first, second, _ = trained
    spec = RegisterSpec(model="m", name="shared")
    one = bench.run(spec, {"model": first}, workflow="flow").outputs["version"]
    two = bench.run(spec, {"model": second}, workflow="other").outputs["version"]
    made = Promotion.of(bench.context("live", "release"), one)
    made.reserve(WAIT)
    made.complete({})

    rival = Promotion.of(bench.context("live", "release", workflow="other"), two)
    with pytest.raises(PromotionRefusedError, match="promoted since"):
        rival.reserve(WAIT)

    assert [entry.workflow for entry in Chain(bench.store, "flow").entries("model/shared")][:2] == ["flow", "other"]
    assert check_chain(Chain(bench.store, "flow"), record_witnesses(bench.store, "flow")) == []


def test_records_and_mlflow_witness_that_the_last_entry_was_there(bench, trained):
    bench.version(trained[0])
    bench.version(trained[1], run_id="run-2")
    chain = Chain(bench.store, "flow")
    chain.store.files.delete(chain.file(2))

    by_record = check_chain(chain, record_witnesses(bench.store, "flow"))
    by_mlflow = check_chain(chain, registry_witnesses(bench.tracking_uri, ["flow"]))

    assert [f"{f.number}: {f.what}" for f in by_record] == [
        "2: it was removed: the record of register in run run-2 names it"
    ]
    assert [f.number for f in by_mlflow] == [2]
    assert check_chain(chain) == []


def rival(bench, version, run_id, barrier, results):
    bench.tracking_uri = ""
    made = promotion(bench, version, run_id)
    barrier.wait()
    try:
        made.reserve(WAIT)
        time.sleep(random.random() / 20)  # servers take their time
        made.complete({})
    except PromotionRefusedError as refusal:
        results.put((run_id, str(refusal)))
    else:
        results.put((run_id, "champion"))


def test_two_promotions_at_once_end_in_one_champion_and_one_refusal(bench):
    bench.tracking_uri = ""
    model, _, _ = bench.model()
    context = multiprocessing.get_context("fork")
    for round_ in range(25):
        champion = standing(bench).champion
        versions = register_without_mlflow(bench, model, champion, [2 * round_ + 1, 2 * round_ + 2])
        barrier, results = context.Barrier(2), context.Queue()
        rivals = [
            context.Process(target=rival, args=(bench, version, f"run-{version.version}", barrier, results))
            for version in versions
        ]
        for process in rivals:
            process.start()
        said = dict(results.get(timeout=60) for _ in rivals)
        for process in rivals:
            process.join(60)

        [winner] = [run for run, how in said.items() if how == "champion"]
        [refused] = [how for how in said.values() if how != "champion"]
        assert standing(bench).champion.run == winner
        assert f"version {winner.removeprefix('run-')} has been promoted since, by 'ana' in run {winner}" in refused
        assert standing(bench).reserved is None
    assert kinds(bench).count("champion") == 25
    assert check_chain(Chain(bench.store, "flow")) == []


def register_without_mlflow(bench, model, champion, numbers):
    """Write the documents of versions that differ, as `register` does: a fork after MLflow was opened would not end."""
    made = []
    for number in numbers:
        version = ModelRef(uri=model.uri, digest=f"{number:064d}", name="flow", version=str(number))
        promotion(bench, version, f"run-{number}")  # claims the name
        judged = {"version": champion.version, "digest": champion.digest} if champion else {}
        document = {"name": "flow", "version": version.version, "digest": version.digest, "champion": judged}
        write_version(bench.store, "flow", document)
        made.append(version)
    return made


def persist(bench, version, run_id):
    """Promote again and again, as retries do; who is killed in between is started once more."""
    bench.tracking_uri = ""
    try:
        promote(bench, version, run_id)
    except PromotionRefusedError:
        os._exit(3)
    os._exit(0)


@pytest.mark.kill
def test_promotions_killed_at_any_moment_heal_when_they_are_tried_again(bench):
    bench.tracking_uri = ""
    model, _, _ = bench.model()
    context = multiprocessing.get_context("fork")
    killed = 0
    for round_ in range(200):
        if round_ >= 20 and killed > 5:
            break  # how often a kill comes in time is this machine's to say
        versions = register_without_mlflow(bench, model, standing(bench).champion, [2 * round_ + 1, 2 * round_ + 2])
        codes = {}
        while len(codes) < 2:
            waiting = [version for version in versions if version.version not in codes]
            running = {v.version: context.Process(target=persist, args=(bench, v, f"run-{v.version}")) for v in waiting}
            for process in running.values():
                process.start()
            time.sleep(random.random() * 0.04)
            for process in running.values():
                process.kill()
            for name, process in running.items():
                process.join(60)
                if process.exitcode == -signal.SIGKILL:
                    killed += 1
                else:
                    codes[name] = process.exitcode

        assert sorted(codes.values()) == [0, 3], "one champion, one refusal"
        [winner] = [name for name, code in codes.items() if code == 0]
        assert standing(bench).champion.version == winner
    assert killed > 5
    assert check_chain(Chain(bench.store, "flow")) == []
