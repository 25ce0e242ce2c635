"""The sensor that waits for a model version: at once where it is there, in the triggerer where it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from mlops_provider.refs import ModelRef
from mlops_provider.sensors.model_version import ModelVersionSensor
from mlops_provider.store.model_versions import claim_name
from mlops_provider.store.promotions import promote, reserve
from mlops_provider.store.standing import Actor, Holder
from mlops_provider.store.store import Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__STORE", str(tmp_path / "store"))
    return Store(tmp_path / "store")


def champion(store, number):
    actor = Actor(workflow="rain", identity=f"rain/{number}", run=f"run-{number}", by="ana")
    model = ModelRef(uri=store.uri("rain/models/x"), digest=number * 64, name="rain", version=number)
    holder, home = Holder.of(store, model, actor), claim_name(store, "rain", "rain")
    reserve(store, home, "rain", holder, actor, judged=None, lasts=timedelta(minutes=1))
    promote(store, home, "rain", holder, actor, {})
    return model


def test_a_champion_that_is_there_is_given_at_once(store):
    model = champion(store, "3")

    assert ModelVersionSensor(task_id="a", name="rain").execute({}) == model.to_dict()
    assert ModelVersionSensor(task_id="b", name="rain", deferrable=False).execute({}) == model.to_dict()


def test_one_that_is_not_there_is_waited_for_in_the_triggerer(store):
    champion(store, "3")
    sensor = ModelVersionSensor(task_id="a", name="rain", newer_than=3, poll_interval=7, timeout=60)

    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})

    _, fields = deferred.value.trigger.serialize()
    assert fields["wanted"] == {"alias": "champion", "newer_than": "3"}
    assert (fields["store_url"], fields["poll_interval"]) == (store.url, 7)
    assert deferred.value.timeout == timedelta(seconds=60)


def test_a_wrong_alias_and_a_broken_history_fail_at_once(store):
    champion(store, "3")
    with pytest.raises(AirflowFailException, match="there is no alias 'champ'"):
        ModelVersionSensor(task_id="a", name="rain", alias="champ").execute({})

    store.files.write("rain/audit/0000000003.json", b"{}")

    with pytest.raises(AirflowFailException, match="entry 3 of the audit chain cannot be believed"):
        ModelVersionSensor(task_id="b", name="rain").execute({})
