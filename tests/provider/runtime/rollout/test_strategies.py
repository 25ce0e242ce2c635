"""Blue-green and shadow on a real server; the trigger that looks after them; who stands by afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.provider.runtime.rollout.conftest import FRAGILE, MOVED, OTHER, canary, until_ended

from mlops_dag_factory.spec import ReleaseSpec
from mlops_provider.exceptions import ReleaseRolledBackError
from mlops_provider.runtime.rollout.abandon import abandon
from mlops_provider.store.rollbacks import rollback_target
from mlops_provider.store.services import service_history, write_service
from mlops_provider.triggers.release import ReleaseTrigger


def blue_green(**fields):
    given = {"keep": "500ms", "minimum_requests": 5, "every": "200ms", "wait": "30s", **fields}
    return ReleaseSpec(model="m", strategy="blue_green", **given)


def shadow(**fields):
    given = {"watch_for": "500ms", "minimum_requests": 20, "every": "200ms", "wait": "30s", "tolerance": 0.3, **fields}
    return ReleaseSpec(model="m", strategy="shadow", **{"watch": ["near_agreement >= 0.5", "error_rate == 0"], **given})


def test_blue_green_switches_in_one_revision_and_keeps_the_old_one_in_memory_meanwhile(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    seen = []

    outcome = until_ended(flow, blue_green(), version, each=lambda: seen.append(flow.shares()))

    states = [{v.version: v.weight for v in s.versions} for s in service_history(flow.store, flow.name, "production")]
    assert states == [{"1": 100}, {"1": 100, "2": 0}, {"1": 0, "2": 100}, {"2": 100}]
    assert (flow.champion(), flow.service().previous.version, outcome.outputs["service"].version) == ("2", "1", "2")
    assert set(flow.ask(10).version) == {"2"}


def test_blue_green_that_fails_switches_back_at_once(flow):
    flow.live()
    version = flow.register(FRAGILE, "run-2")

    with pytest.raises(ReleaseRolledBackError, match=r"blue_green, step 1 of 1, 100 %: error_rate = \S+: error_rate"):
        until_ended(flow, blue_green(keep="1h"), version, times=1e4)

    flow.settle()
    assert set(flow.ask(10, times=1e4).status) == {200}
    assert flow.champion() == "1"
    assert rollback_target(service_history(flow.store, flow.name, "production"), "1").version == "1"


def test_a_shadow_is_compared_and_then_gets_the_traffic(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    answered = []

    outcome = until_ended(
        flow, shadow(alternate="previous"), version, each=lambda: answered.extend(flow.ask(5).version)
    )

    assert set(answered[:-5]) == {"1"}  # it was never heard before it had the traffic
    assert "near_agreement >= 0.5 holds" in outcome.details["steps"][-1]
    service = flow.service()
    assert (flow.shares(), flow.champion(), service.shadow, service.alternate.version) == ({"2": 100}, "2", None, "1")


def test_a_shadow_that_answers_otherwise_is_taken_away(flow):
    flow.live()
    version = flow.register(MOVED, "run-2")

    with pytest.raises(ReleaseRolledBackError, match=r"near_agreement = 0\.\d+: near_agreement >= 0.9 does not hold"):
        until_ended(flow, shadow(watch=["near_agreement >= 0.9"]), version)

    assert (flow.shares(), flow.service().shadow, flow.champion()) == ({"1": 100}, None, "1")


def test_a_shadow_that_is_only_reported_says_what_it_found_and_moves_nothing(flow):
    flow.live()
    version = flow.register(MOVED, "run-2")

    outcome = until_ended(flow, shadow(then="report", watch=["near_agreement >= 0.9"]), version)
    again = flow.advance(shadow(then="report"), version)

    assert outcome.verdict.status == "blocked"
    assert 0 < outcome.metrics["agreement"] + outcome.metrics["near_agreement"] < 2
    assert "near_agreement >= 0.9 does not hold" in outcome.summary
    assert outcome.summary == again.summary
    assert (flow.shares(), flow.service().shadow, flow.champion()) == ({"1": 100}, None, "1")
    assert [entry.payload["version"] for entry in flow.entries("reserved")] == ["1"]


def trigger(flow, spec, version):
    return ReleaseTrigger(
        spec="mlops_dag_factory.spec.release:ReleaseSpec",
        config=spec.model_dump(mode="json", exclude_defaults=True),
        inputs={"model": [version.to_dict()]},
        run=flow.context().to_dict(),
        seconds=0.1,
    )


async def first_event(one):
    return await anext(one.run())


def test_the_trigger_fires_when_a_rule_is_broken_and_not_before(flow):
    flow.live()
    version = flow.register(MOVED, "run-2")
    spec = canary(steps=[{"weight": 50, "for": "1h"}], watch=["prediction_drift <= 0.2"])
    flow.advance(spec, version)
    flow.settle()
    looks_after = trigger(flow, spec, version)
    path, fields = looks_after.serialize()

    async def follow():
        waiting = asyncio.create_task(first_event(ReleaseTrigger(**fields)))
        await asyncio.sleep(1)
        early = waiting.done()
        await asyncio.to_thread(flow.ask, 60)
        return early, await asyncio.wait_for(waiting, 30)

    early, event = asyncio.run(follow())

    assert path == "mlops_provider.triggers.release.ReleaseTrigger"
    assert not early
    assert event.payload["said"] == "a step is over, or a rule does not hold"
    assert flow.shares() == {"1": 50, "2": 50}  # the trigger changes nothing


def test_a_person_who_ends_the_waiting_task_takes_the_release_back(flow):
    flow.live()
    version = flow.register(OTHER, "run-2")
    spec = canary(steps=[{"weight": 50, "for": "1h"}])
    flow.advance(spec, version)

    asyncio.run(trigger(flow, spec, version).on_kill())

    assert flow.shares() == {"1": 100}
    [entry] = flow.entries("rolled_back")
    assert "ended by a person while a step lasted" in entry.reason
    assert flow.entries("given_up")
    assert abandon(flow.context(), "again") is None


def test_a_release_that_nobody_looks_after_makes_room(flow):
    flow.live()
    dead, other = flow.register(MOVED, "run-2"), flow.register(OTHER, "run-3")
    flow.advance(canary(steps=[{"weight": 60, "for": "1h"}]), dead)
    service, past = flow.service(), "2026-01-01T00:00:00.000+00:00"
    write_service(flow.store, replace(service, rollout=replace(service.rollout, until=past)))

    outcome = until_ended(flow, blue_green(), other, run_id="run-3")

    assert outcome.outputs["service"].version == "3"
    assert (flow.shares(), flow.champion(), flow.service().previous.version) == ({"3": 100}, "3", "1")
    assert (
        "nobody has looked after it, and run run-3 begins another release" in flow.entries("given_up")[0].payload["why"]
    )
