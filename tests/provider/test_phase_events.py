"""Which events a moment of a phase is, as the people on the other end see it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlops_dag_factory.notices import notices
from mlops_dag_factory.spec import Workflow
from mlops_provider.notifications.phase_events import PhaseEventNotifier


@pytest.mark.parametrize(
    ("moment", "why", "told"),
    [
        ("failed", "server down; version 1 runs as before", {"failed", "rolled_back"}),
        ("failed", "the model is not registered", {"failed"}),
        ("failed", "live is blocked: a gate", {"blocked"}),
        ("succeeded", "", {"succeeded", "released"}),
    ],
)
def test_each_target_hears_of_its_events_only(inbox, moment, why, told):
    wanted = {"failed": ("failed", "rolled_back", "blocked"), "succeeded": ("succeeded", "released")}[moment]
    notifier = PhaseEventNotifier(workflow="w", phase="live", moment=moment, to={event: ["owner"] for event in wanted})

    notifier.notify(
        {
            "exception": RuntimeError(why) if why else None,
            "run_id": "r",
            "ti": SimpleNamespace(try_number=1),
            "task": SimpleNamespace(owner="ana"),
        }
    )

    assert {message["event"] for message in inbox} == told
    assert {message["why"] for message in inbox} == {why}


def test_a_phase_that_rolls_back_says_so_when_it_succeeds(inbox):
    workflow = Workflow.model_validate(
        {
            "workflow": "w",
            "notify": [{"on": "*:rolled_back,failed", "to": "owner"}],
            "phases": {"back": {"type": "rollback", "reason": "wrong"}},
        }
    )

    told = notices(workflow, "back", [], kind="rollback")
    for callback in told["on_success_callback"]:
        callback.notify({"run_id": "r", "ti": SimpleNamespace(try_number=1), "task": SimpleNamespace(owner="ana")})

    assert told.keys() == {"on_success_callback", "on_failure_callback"}
    assert [message["event"] for message in inbox] == ["rolled_back"]


@pytest.mark.parametrize(("extra", "told"), [({"monitor": "w/monitor__r/decide"}, 1), ({"rows": 3}, 0), (None, 0)])
def test_who_is_told_of_breaches_hears_that_the_model_they_led_to_is_blocked(inbox, extra, told):
    workflow = Workflow.model_validate(
        {
            "workflow": "w",
            "phases": {
                "data": {"type": "ingest", "source": "a.csv"},
                "quality": {"type": "evaluate", "model": "data", "data": "data"},
            },
            "monitor": {"checks": {"data_drift": {}}, "on_breach": ["notify", "retrain"], "notify": "owner"},
        }
    )
    events = [SimpleNamespace(extra={"rows": 9}, asset=SimpleNamespace(uri="x-lake://days"), source_dag_id="")]
    asked = SimpleNamespace(extra=extra, asset=SimpleNamespace(uri="x-mlops://retrain/w"), source_dag_id="")
    dag_run = SimpleNamespace(consumed_asset_events=[*events, asked])
    context = {
        "exception": RuntimeError("quality is blocked: drifted_window: not better"),
        "run_id": "r",
        "dag_run": dag_run,
        "ti": SimpleNamespace(try_number=1),
        "task": SimpleNamespace(owner="ana"),
    }

    for callback in notices(workflow, "quality", [], kind="evaluate")["on_failure_callback"]:
        callback.notify(context)

    assert [message["event"] for message in inbox] == ["blocked"] * told
