"""The policy: one retraining per storm, never within the cooldown, never beyond the budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_dag_factory.spec.monitoring.policy import PolicySpec
from mlops_provider.runtime.monitor.policy import decide

START = datetime(2026, 1, 1, tzinfo=UTC)


def play(statuses, policy, step=timedelta(hours=1), on_breach=("notify", "retrain")):
    """Run checks one after the other; give the decisions."""
    history = []
    for number, status in enumerate(statuses):
        now = START + number * step
        decision = decide(history, status, ["something moved"] if status == "blocked" else [], policy, on_breach, now)
        history.append(
            {"at": now.isoformat(), "status": status, "actions": list(decision.actions), "why": decision.why}
        )
    return history


def retrainings(history):
    return [datetime.fromisoformat(entry["at"]) for entry in history if "retrain" in entry["actions"]]


def test_a_quiet_month_does_nothing():
    history = play(["passed"] * 720, PolicySpec())

    assert all(entry["actions"] == [] for entry in history)
    assert history[0]["why"] == "every check holds"


def test_a_month_of_hours_with_a_storm_gives_the_expected_retrainings():
    statuses = ["passed"] * 100 + ["blocked"] * 100 + ["vacuous"] * 20 + ["passed"] * 100 + ["blocked"] * 400
    policy = PolicySpec(consecutive=3, cooldown="48h", per_week=2)

    history = play(statuses, policy)

    hours = [int((at - START).total_seconds() // 3600) for at in retrainings(history)]
    assert hours == [102, 150, 322, 370, 490, 538, 658, 706]
    assert history[100]["why"] == "breach 1 of 3 in a row: something moved"
    assert "the cooldown is 2 days" in history[103]["why"]
    assert "within seven days, the budget is 2" in history[198]["why"]
    assert all(entry["actions"] == ["notify"] for entry in history[103:150])


def test_a_window_that_cannot_be_judged_neither_breaks_nor_continues_a_row():
    policy = PolicySpec(consecutive=2)

    assert retrainings(play(["blocked", "vacuous", "blocked"], policy)) == [START + timedelta(hours=2)]
    assert retrainings(play(["blocked", "passed", "blocked"], policy)) == []
    assert retrainings(play(["blocked", "vacuous", "vacuous"], policy)) == []


def test_without_retrain_on_breach_nobody_retrains():
    history = play(["blocked"] * 10, PolicySpec(), on_breach=("notify",))

    assert {tuple(entry["actions"]) for entry in history} == {("notify",)}


@settings(max_examples=200, deadline=None)
@given(
    statuses=st.lists(st.sampled_from(["passed", "blocked", "vacuous"]), max_size=200),
    cooldown=st.integers(0, 72),
    per_week=st.integers(0, 5),
    consecutive=st.integers(1, 4),
    minutes=st.integers(1, 600),
)
def test_cooldown_budget_and_row_hold_for_any_history(statuses, cooldown, per_week, consecutive, minutes):
    policy = PolicySpec(cooldown=timedelta(hours=cooldown), per_week=per_week, consecutive=consecutive)

    times = retrainings(play(statuses, policy, step=timedelta(minutes=minutes)))

    assert all(later - earlier >= policy.cooldown for earlier, later in pairwise(times))
    for at in times:
        assert sum(timedelta(0) <= at - other < timedelta(days=7) for other in times) <= per_week
