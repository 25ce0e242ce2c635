"""Releases in steps on a real server: what holds goes on, what does not goes back at once with its reason."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest
from tests.provider.runtime.rollout.conftest import FRAGILE, MOVED, OTHER, canary, until_ended

from mlops_dag_factory.spec import ReleaseSpec, RollbackSpec
from mlops_provider.exceptions import DataError, ReleaseRefusedError, ReleaseRolledBackError, ServiceFailedError
from mlops_provider.runtime.rollout import candidate
from mlops_provider.runtime.rollout.measures import measure
from mlops_provider.runtime.rollout.one_look import look
from mlops_provider.runtime.rollout.progress import Waiting
from mlops_provider.store.model_file import MODEL_FILE
from mlops_provider.store.rollbacks import before_live
from mlops_provider.store.services import service_history


def test_a_canary_that_holds_grows_and_becomes_the_champion(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    watch = ["error_rate == 0", "latency_p95_ms <= 100 * champion.latency_p95_ms", "prediction_drift <= 2"]
    spec = canary(watch=watch, minimum_requests=60)  # of a few requests the drift is mostly chance
    seen = []

    first = flow.advance(spec, version)
    flow.settle()
    answers = flow.ask(120)
    seen.append(flow.shares())
    outcome = until_ended(flow, spec, version, each=lambda: seen.append(flow.shares()))

    assert isinstance(first, Waiting)
    assert 10 <= (answers.version == "2").sum() <= 40
    steps = list(dict.fromkeys(tuple(sorted(shares.items())) for shares in seen))
    assert steps == [(("1", 80), ("2", 20)), (("1", 40), ("2", 60)), (("2", 100),)]
    assert (flow.champion(), outcome.outputs["service"].version) == ("2", "2")
    assert (flow.service().previous.version, flow.service().rollout) == ("1", None)
    assert flow.actions()[1:] == ["release", "weights", "weights", "release"]
    assert "latency_p95_ms <= 100 * champion.latency_p95_ms holds" in outcome.details["steps"][-1]
    [entry] = [entry for entry in flow.entries("champion") if entry.payload["version"] == "2"]
    assert entry.payload["strategy"] == "canary"
    assert len(entry.payload["steps"]) == 3
    assert before_live(service_history(flow.store, flow.name, "production")).version == "1"


def test_errors_of_the_new_version_roll_it_back_at_once_with_the_reason_everywhere(flow):
    flow.live()
    version = flow.register(FRAGILE, "run-2")
    spec = canary(steps=[{"weight": 50, "for": "1h"}])

    with pytest.raises(ReleaseRolledBackError) as ending:
        until_ended(flow, spec, version, times=1e4)

    said = str(ending.value)
    assert not ending.value.retryable
    assert f"version 2 of {flow.name}/production was rolled back, canary, step 1 of 1, 50 %: error_rate = 0." in said
    assert ": error_rate <= 0.01 does not hold" in said
    assert "requests from 20" in said
    assert "version 1 runs as before" in said
    assert flow.shares() == {"1": 100}
    assert flow.champion() == "1"
    change = flow.service().change
    assert (change.action, change.by) == ("rollback", "ana")
    [entry] = flow.entries("rolled_back")
    assert entry.subject == "service/production"
    assert entry.reason == change.reason
    assert entry.payload["rules"][0]["value"] > entry.payload["rules"][0]["threshold"] == 0.01
    assert entry.payload["rules"][0]["n"] >= 5
    assert [entry.payload["why"] for entry in flow.entries("given_up")] == [change.reason]
    flow.settle()
    assert flow.ask(5).status.tolist() == [200] * 5

    with pytest.raises(ReleaseRolledBackError, match="was rolled back, canary, step 1 of 1"):
        flow.advance(spec, version)  # a retry says the same and does nothing


def test_predictions_that_move_roll_it_back(flow):
    flow.live()
    version = flow.register(MOVED, "run-2")

    with pytest.raises(ReleaseRolledBackError, match=r"prediction_drift = 0\.\d+: prediction_drift <= 0.2 does not"):
        until_ended(flow, canary(watch=["prediction_drift <= 0.2"]), version)

    assert flow.shares() == {"1": 100}


def test_two_releases_at_once_one_goes_on_and_one_is_refused(flow):
    flow.live()
    one, other = flow.register(OTHER, "run-2"), flow.register(MOVED, "run-3")
    spec = canary(steps=[{"weight": 20, "for": "1h"}])
    flow.advance(spec, one)

    refusals = []
    for late in (spec, ReleaseSpec(model="m")):
        with pytest.raises(ReleaseRefusedError) as refusal:
            flow.advance(late, other, "run-3")
        refusals.append(str(refusal.value))

    for said in refusals:
        assert (
            f"version 2 of {flow.name}/production is being released by run run-2 of 'ana' (canary, step 1 of 1" in said
        )
        assert "mlops rollback" in said
    assert flow.shares() == {"1": 80, "2": 20}


def test_a_rollback_by_a_person_ends_the_release_which_then_says_who_did_it(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    spec = canary(steps=[{"weight": 60, "for": "1h"}])
    flow.advance(spec, version)

    undone = flow.run(RollbackSpec(reason="complaints", wait="30s"), {}, "run-9")

    assert undone.outputs["service"].version == "1"
    assert (flow.shares(), flow.service().rollout) == ({"1": 100}, None)
    with pytest.raises(ReleaseRefusedError, match=r"followed by a rollback by 'ana' .* version 1 stays"):
        flow.advance(spec, version)
    assert flow.champion() == "1"
    assert flow.entries("given_up")


def test_too_few_requests_keep_a_step_open_and_end_it_when_patience_is_over(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    spec = canary(steps=[{"weight": 20, "for": "100ms"}], patience="1s", minimum_requests=50)

    flow.advance(spec, version)
    time.sleep(0.2)
    waiting = flow.advance(spec, version)
    time.sleep(1.2)
    with pytest.raises(ReleaseRolledBackError, match="cannot be judged: 0 of 50 requests have come"):
        flow.advance(spec, version)

    assert "0 of 50 requests have come" in waiting.said
    assert flow.shares() == {"1": 100}


def test_a_step_that_stays_open_is_not_taken_for_one_that_nobody_looks_after(flow, monkeypatch):
    flow.live()
    version = flow.register(OTHER, "run-2")
    spec = canary(steps=[{"weight": 20, "for": "100ms"}], wait="1s", minimum_requests=50)
    flow.advance(canary(steps=[{"weight": 20, "for": "100ms"}], minimum_requests=50), version)
    monkeypatch.setattr(candidate, "_MARGIN", timedelta(hours=1))  # as if a quarter of an hour had passed
    time.sleep(0.2)
    before = flow.service()

    looked, waiting = look(spec, {"model": [version]}, flow.context()), flow.advance(spec, version)
    again = look(spec, {"model": [version]}, flow.context())

    assert looked is None  # the task has something to do
    assert "0 of 50 requests have come" in waiting.said
    after = flow.service()
    assert after.rollout == replace(before.rollout, until=after.rollout.until)
    assert after.rollout.until > before.rollout.until
    assert "canary, step 1 of 1 stays open: 0 of 50 requests have come" in after.change.reason
    assert again is not None
    assert flow.shares() == {"1": 80, "2": 20}


def test_a_measure_of_ones_own_in_sql_with_labels_decides(flow, tmp_path):
    flow.live()
    version = flow.register(OTHER, "run-2")
    labels = tmp_path / "labels.csv"
    spec = canary(
        steps=[{"weight": 50, "for": "100ms"}],
        metrics={"off": "SELECT avg(abs(prediction - truth)) FROM predictions WHERE truth IS NOT NULL"},
        labels={"source": str(labels)},
        watch=["off <= 1.5 * champion.off"],
    )
    flow.advance(spec, version)
    flow.settle()
    flow.ask(60)
    time.sleep(1.3)

    without = flow.advance(spec, version)
    write_labels(labels, flow.name, error=5)
    outcome = until_ended(flow, spec, version, ask=0)

    assert "'off' has no value yet" in without.said
    assert "off <= 1.5 * champion.off holds" in outcome.details["steps"][-1]


def write_labels(file, name, error):
    from sklearn.datasets import load_diabetes

    truth = load_diabetes().target
    lines = [f"{name}-{number},{truth[number % len(truth)] + error}" for number in range(100)]
    file.write_text("request_id,target\n" + "\n".join(lines) + "\n")


def test_sql_that_gives_no_number_rolls_back_and_says_why(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    spec = canary(steps=[{"weight": 50, "for": "1h"}], metrics={"own": "SELECT 1, 2"}, minimum_requests=1)
    flow.advance(spec, version)
    flow.settle()
    flow.ask(10)
    time.sleep(1.3)
    known, since = flow.service().named(), datetime.fromisoformat(flow.service().rollout.since)

    for sql, said in [
        ("SELECT count(*) FROM orders", "the SQL of metric 'own' failed: .*orders"),
        ("SELECT * FROM read_csv('/etc/passwd')", "the SQL of metric 'own' failed: Permission Error"),
        ("SELECT 'much'", "the SQL of metric 'own' gives 'much'"),
        ("SELECT 1 / 0.0", "the SQL of metric 'own' gives inf"),
    ]:
        with pytest.raises(DataError, match=said):
            measure(canary(metrics={"own": sql}), flow.context(), known["2"], known["1"], since)
    with pytest.raises(ReleaseRolledBackError, match="the SQL of metric 'own' gives 1 rows"):
        flow.advance(spec, version)

    assert flow.shares() == {"1": 100}


def test_a_first_release_has_nothing_to_go_beside(flow):
    version = flow.register(OTHER, "run-2")

    outcome = flow.advance(canary(), version)

    assert (flow.shares(), flow.champion()) == ({"1": 100}, "1")
    assert "before: nothing" in outcome.summary


def test_a_version_that_servers_cannot_load_changes_nothing_and_may_be_tried_again(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    file = Path(version.uri) / MODEL_FILE
    content = file.read_bytes()
    file.write_bytes(b"x" + content[1:])

    try:
        with pytest.raises(ServiceFailedError, match=r"cannot run the version: .*version 1 runs as before"):
            flow.advance(canary(), version)
    finally:
        file.write_bytes(content)

    assert (flow.shares(), flow.service().rollout) == ({"1": 100}, None)
    assert isinstance(flow.advance(canary(), version), Waiting)  # once mended
    assert flow.shares() == {"1": 80, "2": 20}


def test_ids_that_clients_use_again_and_files_that_are_damaged_do_not_hide_what_happened(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    flow.advance(canary(steps=[{"weight": 50, "for": "1h"}]), version)
    flow.settle()
    flow.sent = repeat(7)  # every request has the same id, so that one version answers all
    answers = flow.ask(30)
    time.sleep(1.3)
    folder = Path(flow.store.url) / flow.name / "predictions/production"
    sound = next(folder.rglob(f"version={answers.version[0]}/**/*.parquet"))
    content = bytearray(sound.read_bytes())
    content[100:400] = bytes(300)
    sound.with_name(f"{int(time.time() * 1000)}-damaged.parquet").write_bytes(bytes(content))
    known, since = flow.service().named(), datetime.fromisoformat(flow.service().rollout.since)

    found = measure(canary(), flow.context(), known["2"], known["1"], since)

    answered = found.candidate if answers.version[0] == "2" else found.live
    assert (answered["requests"], answered["rows"], answered["error_rate"]) == (30, 30, 0)
