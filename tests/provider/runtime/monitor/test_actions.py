"""What is done about a breach: each action on a real store, once per decision, refused where it would do harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.exceptions import (
    ConfigError,
    DecisionClosedError,
    DecisionForbiddenError,
    DecisionIncompleteError,
    RollbackRefusedError,
)
from mlops_provider.runtime import rollback
from mlops_provider.runtime.monitor import fallback
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.targets import upkeep
from mlops_provider.store.chain import Chain
from mlops_provider.store.services import (
    Change,
    Rollout,
    ServedVersion,
    now,
    read_service,
    service_history,
    set_alternate,
    write_service,
)
from mlops_provider.store.standing import Actor
from mlops_provider.store.todos import list_todos, tick_off

LABELS = {"source": "labels", "column": "target"}
POLICY = {"consecutive": 1, "minimum_rows": 20}


class Breaching:
    """A service whose live version gives wrong answers, and the monitor's actions over it."""

    def __init__(self, service):
        self.service = service
        self.store = service.bench.store

    def decide(self, version, **fields):
        """Let a version answer wrongly, check, decide; give the decision's details and the spec."""
        rows = self.service.rows
        ids = self.service.log(rows, version=version)
        self.service.deliver(ids, (rows["target"] + 1) % 3, name=f"{version}-{self.service.runs}.csv")
        fields = {"checks": {"performance": ["accuracy >= 0.9"]}, "policy": POLICY, **fields}
        window, check, spec = self.service.look(labels=LABELS, **fields)
        inputs = {"window": window.outputs["window"], "report": check.outputs["report"]}
        return self.service.phase("decide", spec, inputs).details, spec

    def act(self, action, spec, attempt=1):
        run_id = f"monitor__{self.service.runs}"
        context = self.service.bench.context(action, f"monitor.{action}", run_id=run_id, attempt=attempt)
        return run_phase(spec, {}, context).outcome

    @property
    def live(self):
        state = read_service(self.store, "flow", "production")
        return state.primary.version if state.primary else None


@pytest.fixture
def breaching(bench, watched, monkeypatch):
    bench.tracking_uri = ""  # a new registry takes seconds
    monkeypatch.setattr(fallback, "WAIT", timedelta(0))  # there is no server that would follow
    return Breaching(watched("sklearn:iris"))


def test_the_version_before_takes_over_once_per_decision(breaching):
    breaching.service.release("2")
    decision, spec = breaching.decide("2", on_breach=["notify", "fallback"])
    assert decision["actions"] == ["notify", "fallback"]

    done = breaching.act("fallback", spec)
    again = breaching.act("fallback", spec, attempt=2)

    assert breaching.live == "1"
    assert "Version 1 has all traffic of flow/production (before: version 2)" in done.summary
    assert again.details["revision"] == done.details["revision"]
    state = read_service(breaching.store, "flow", "production")
    assert state.change.action == "rollback"
    assert "accuracy >= 0.9 does not hold" in state.change.reason
    [entry] = [entry for entry in Chain(breaching.store, "flow").entries() if entry.kind == "rolled_back"]
    assert (entry.payload["version"], entry.payload["from"]) == ("1", "2")
    assert entry.reason == state.change.reason


def test_a_storm_does_not_walk_back_through_every_version(breaching):
    breaching.service.release("2")
    breaching.service.release("3")
    _, spec = breaching.decide("3", on_breach=["fallback"])
    breaching.act("fallback", spec)
    assert breaching.live == "2"
    _, spec = breaching.decide("2", on_breach=["fallback"])

    with pytest.raises(RollbackRefusedError, match=r"version 2 is what the fallback of .* led to, and it breaches too"):
        breaching.act("fallback", spec)

    assert breaching.live == "2"
    breaching.service.release("4")
    _, spec = breaching.decide("4", on_breach=["fallback"])
    breaching.act("fallback", spec)
    assert breaching.live == "2"


def test_a_version_that_was_released_meanwhile_is_not_taken_back(breaching):
    breaching.service.release("2")
    _, spec = breaching.decide("2", on_breach=["fallback", "stop"])
    breaching.service.release("3")

    fallback, stop = breaching.act("fallback", spec), breaching.act("stop", spec)

    assert breaching.live == "3"
    assert fallback.summary == stop.summary
    assert fallback.summary == "Version 2 was judged, but version 3 is live already: nothing is done."


@pytest.mark.parametrize(
    ("action", "moment"), [("fallback", (rollback, "require_whole")), ("stop", (upkeep, "stop_service"))]
)
def test_what_is_released_in_the_moment_of_the_action_stays(breaching, monkeypatch, action, moment):
    breaching.service.release("2")
    _, spec = breaching.decide("2", on_breach=[action])
    released, act = [], getattr(*moment)

    def meanwhile(*args, **fields):
        if not released:
            released.append(breaching.service.release("3"))
        return act(*args, **fields)

    monkeypatch.setattr(*moment, meanwhile)
    done = breaching.act(action, spec)

    assert released
    assert breaching.live == "3"
    assert done.summary == "Version 2 was judged, but version 3 is live already: nothing is done."


def test_what_was_released_after_the_fallback_of_the_same_decision_is_not_stopped(breaching):
    breaching.service.release("2")
    _, spec = breaching.decide("2", on_breach=["fallback", "stop"])
    breaching.act("fallback", spec)
    breaching.service.release("3")

    stop = breaching.act("stop", spec)

    assert breaching.live == "3"
    assert stop.summary == "Version 2 was judged, but version 3 is live already: nothing is done."


def test_a_fallback_does_not_end_a_release_in_favour_of_the_version_that_breached(breaching):
    store = breaching.store
    breaching.service.release("2")
    _, spec = breaching.decide("2", on_breach=["fallback"])
    state = read_service(store, "flow", "production")
    about = {"identity": "run-3", "run": "run-3", "by": "ana", "strategy": "canary", "since": now(), "until": now()}
    canary = ServedVersion(version="3", model=breaching.service.ref, weight=10)
    stable = replace(state.versions[0], weight=90)
    change = Change(id="run-3", action="release", by="ana", at=now())
    rollout = Rollout(candidate="3", stable="2", **about)
    write_service(store, replace(state, versions=(stable, canary), rollout=rollout, change=change))

    with pytest.raises(RollbackRefusedError, match="version 3 is being released beside version 2") as refused:
        breaching.act("fallback", spec)

    assert "mlops rollback flow/production --to" in refused.value.hint
    assert read_service(store, "flow", "production").rollout == rollout


def test_without_an_alternate_the_fallback_is_refused_and_nothing_changes(breaching):
    breaching.service.release("2")
    before = service_history(breaching.store, "flow", "production")
    _, spec = breaching.decide("2", on_breach=[{"fallback": "alternate"}])

    with pytest.raises(RollbackRefusedError, match="no alternate stands by for flow/production"):
        breaching.act("fallback", spec)

    assert service_history(breaching.store, "flow", "production") == before


def test_the_alternate_takes_over_where_one_stands_by(breaching):
    breaching.service.release("2")
    breaching.service.release("3")
    states = service_history(breaching.store, "flow", "production")
    change = Change(id="by-hand", action="alternate", by="ana", at=now())
    set_alternate(breaching.store, "flow", "production", states[0].primary.model, change)
    _, spec = breaching.decide("3", on_breach=[{"fallback": "alternate"}])

    breaching.act("fallback", spec)

    assert breaching.live == "1"


def test_the_service_is_stopped_once_and_the_chain_says_so(breaching):
    _, spec = breaching.decide("1", on_breach=["stop"])

    breaching.act("stop", spec)
    again = breaching.act("stop", spec, attempt=2)

    assert breaching.live is None
    assert again.details["stopped"]
    assert len(service_history(breaching.store, "flow", "production")) == 2
    [entry] = [entry for entry in Chain(breaching.store, "flow").entries() if entry.kind == "stopped"]
    assert entry.payload["version"] == "1"
    assert "accuracy >= 0.9 does not hold" in entry.reason
    breaching.service.release("2")
    assert breaching.act("stop", spec, attempt=3).details == again.details
    assert breaching.live == "2", "what was released since the first try is not stopped by another"


def test_a_fallback_and_a_stop_of_one_decision_both_happen(breaching):
    breaching.service.release("2")
    _, spec = breaching.decide("2", on_breach=["fallback", "stop"])

    breaching.act("fallback", spec)
    breaching.act("stop", spec)

    state = read_service(breaching.store, "flow", "production")
    assert (state.primary, state.previous.version) == (None, "1")


def test_a_to_do_is_opened_once_in_a_storm_and_ticked_off_with_a_note(breaching):
    todo = {"todo": {"role": "operators", "text": "Clean the lens", "users": ["olga"]}}
    decision, spec = breaching.decide("1", on_breach=[todo])
    opened = breaching.act("todo", spec)
    assert breaching.act("todo", spec, attempt=2).details["todo"] == opened.details["todo"]
    _, spec = breaching.decide("1", on_breach=[todo])
    second = breaching.act("todo", spec)
    assert (second.details["opened"], second.details["todo"]) == (False, opened.details["todo"])
    [found] = list_todos(breaching.store)
    assert (found.text, found.role, found.users, found.open) == ("Clean the lens", "operators", ("olga",), True)
    assert (found.why, found.report) == (decision["why"], decision["report"])
    olga = Actor(workflow="flow", identity="x", run="", by="olga", reason="wiped it, sharp again")

    def tick(**other):
        fields = {"workflow": "flow", "identity": "x", "run": "", "by": "olga", "reason": olga.reason, **other}
        return tick_off(breaching.store, "flow", found.id[:4], Actor(**fields))

    with pytest.raises(DecisionIncompleteError, match="with a note"):
        tick(reason=" ")
    with pytest.raises(DecisionForbiddenError, match=r"mallory may not tick off [\s\S]*olga"):
        tick(by="mallory")
    done = tick()

    assert (done.open, done.done_by, done.note) == (False, "olga", "wiped it, sharp again")
    assert tick() == done, "the same answer once more changes nothing"
    with pytest.raises(DecisionClosedError, match="olga has ticked off"):
        tick(reason="another word")
    [entry] = [entry for entry in Chain(breaching.store, "flow").entries() if entry.kind == "todo_done"]
    assert (entry.by, entry.reason, entry.payload["text"]) == ("olga", "wiped it, sharp again", "Clean the lens")
    _, spec = breaching.decide("1", on_breach=[todo])
    assert breaching.act("todo", spec).details["opened"], "what was done and breaches again is another to-do"


def test_an_action_without_a_decision_does_nothing(breaching):
    spec = MonitorSpec(checks={"data_drift": {}}, on_breach=["stop"])

    with pytest.raises(ConfigError, match="has decided nothing yet"):
        breaching.act("stop", spec)

    assert breaching.live == "1"
