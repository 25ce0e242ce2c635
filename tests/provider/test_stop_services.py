"""The task that ends services when their time is over; the next one is waited for without a worker."""

from __future__ import annotations

from datetime import datetime

import pytest
from airflow.sdk.exceptions import TaskDeferred

from mlops_provider.operators.stop import StopServicesOperator
from mlops_provider.refs import ModelRef
from mlops_provider.store.placements import Placement, read_placement, write_placement
from mlops_provider.store.services import Change, ServedVersion, now, read_service, set_version, stop_service
from mlops_provider.store.store import Store

PAST, FUTURE = "2026-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__STORE", str(tmp_path / "store"))
    return Store(tmp_path / "store")


def deploy(store, environment, stops_at, workflow="rain"):
    model = ModelRef(uri="u/1", digest="1" * 64, name=workflow, version="1")
    change = Change(id=f"{workflow}/{environment}", action="deploy", by="ana", at=now())
    set_version(store, workflow, environment, ServedVersion(version="1", model=model), change)
    place = {"workflow": workflow, "environment": environment, "target": "server", "version": "1", "model": "1" * 64}
    write_placement(store, Placement(**place, change=change.id, state="running", stops_at=stops_at))


def test_what_is_due_is_stopped_and_the_next_is_waited_for(store):
    deploy(store, "staging", PAST)
    deploy(store, "demo", FUTURE)
    deploy(store, "production", "")
    deploy(store, "staging", PAST, workflow="snow")

    with pytest.raises(TaskDeferred) as deferred:
        StopServicesOperator(task_id="stop", workflow="rain", owner="ana").execute({})

    assert deferred.value.trigger.moment == datetime.fromisoformat(FUTURE)
    names = [("rain", "staging"), ("rain", "demo"), ("rain", "production"), ("snow", "staging")]
    assert [bool(read_service(store, *name).versions) for name in names] == [False, True, True, True]
    state = read_service(store, "rain", "staging")
    assert (state.change.by, state.change.action) == ("ana", "stop")
    assert state.change.reason == f"its time was over at {PAST}"


def test_with_nothing_left_it_ends_and_a_stop_that_was_cut_short_is_completed(store):
    deploy(store, "staging", PAST)
    change = Change(id=f"rain/staging#stopped@{PAST}", action="stop", by="ana", at=now())
    stop_service(store, "rain", "staging", change)  # and then the worker died

    stopped = StopServicesOperator(task_id="stop", workflow="rain").execute({}, None)

    assert stopped == ["rain/staging"]
    assert read_placement(store, "rain", "staging").state == "stopped"
    assert read_service(store, "rain", "staging").revision == 2
    assert StopServicesOperator(task_id="stop", workflow="rain").execute({}) == []
