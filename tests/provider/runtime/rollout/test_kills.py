"""A release goes on from the record whoever dies: its task at any step, or the model server in any step."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest
from tests.provider.runtime.rollout.conftest import MOVED, OTHER, canary, until_ended

from mlops_provider.exceptions import ReleaseRolledBackError
from mlops_provider.runtime.rollout.progress import Waiting
from mlops_provider.store.services import service_history

KILLED = """
import json, os, signal, sys
from mlops_dag_factory.spec import ReleaseSpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime import promotion, release
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.rollout import endings, progress
from mlops_provider.store import rollouts
where, config, context, version = sys.argv[1], *map(json.loads, sys.argv[2:])
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "while it loads": progress.wait_until_ready = die
if where == "in a step": progress.judge = die
if where == "before all traffic": rollouts.finish = die
if where == "before it is champion": promotion.promote = die
if where == "before the alias": endings.mirror_aliases = die
if where == "before a rollback": rollouts.undo = die
if where == "before it is noted": endings.note_change = die
release.run(ReleaseSpec(**config), {"model": [ref_from_dict(version)]}, RunContext.from_dict(context))
"""


def killed(flow, spec, version, where):
    """Release in a process that kills itself there, while clients ask."""
    config = {"model": "m", **spec.model_dump(mode="json", exclude_defaults=True)}
    arguments = [json.dumps(value) for value in (config, flow.context().to_dict(), version.to_dict())]
    process = subprocess.Popen([sys.executable, "-c", KILLED, where, *arguments])
    while process.poll() is None:
        flow.ask(10)
    assert process.returncode == -9


@pytest.mark.kill
@pytest.mark.parametrize(
    "where",
    [
        "while it loads",
        "in a step",
        "before all traffic",
        "before it is champion",
        "before the alias",
    ],
)
def test_a_release_that_was_killed_goes_on_and_is_one_release(flow, where):
    flow.live()
    version = flow.register(OTHER, "run-2")
    spec = canary(steps=[{"weight": 50, "for": "300ms"}], watch=["error_rate == 0"])
    killed(flow, spec, version, where)

    outcome = until_ended(flow, spec, version)

    assert outcome.outputs["service"].version == "2"
    assert (flow.shares(), flow.champion(), flow.service().rollout) == ({"2": 100}, "2", None)
    ids = Counter(state.change.id for state in service_history(flow.store, flow.name, "production"))
    assert set(ids.values()) == {1}
    assert flow.actions()[1:] == ["release", "weights", "release"]
    assert [entry.payload["version"] for entry in flow.entries("champion")] == ["1", "2"]


@pytest.mark.kill
@pytest.mark.parametrize("where", ["before a rollback", "before it is noted"])
def test_a_rollback_that_was_killed_is_completed_and_says_the_same_reason(flow, where):
    flow.live()
    version = flow.register(MOVED, "run-2")
    spec = canary(steps=[{"weight": 50, "for": "1h"}], watch=["prediction_drift <= 0.2"])
    killed(flow, spec, version, where)

    with pytest.raises(
        ReleaseRolledBackError, match=r"prediction_drift <= 0.2 does not hold .*version 1 runs as befor"
    ):
        flow.advance(spec, version)

    assert (flow.shares(), flow.champion()) == ({"1": 100}, "1")
    assert len(flow.entries("rolled_back")) == len(flow.entries("given_up")) == 1


@pytest.mark.kill
def test_a_server_that_is_killed_in_every_step_comes_back_and_the_release_goes_on(flow, fleet):
    flow.live()
    version = flow.register(OTHER, "run-2")
    spec = canary(watch=["error_rate == 0"])
    restarts = []

    def kill():
        step = flow.service().rollout.step if flow.service().rollout else 0
        if step and step not in restarts:
            restarts.append(step)
            fleet.kill()
            alone = flow.advance(spec, version)  # nobody answers: it waits
            assert isinstance(alone, Waiting)
            fleet.start()
            flow.settle()

    outcome = until_ended(flow, spec, version, each=kill)

    assert restarts == [1, 2]
    assert (outcome.outputs["service"].version, flow.shares(), flow.champion()) == ("2", {"2": 100}, "2")
    assert set(flow.ask(10).version) == {"2"}
