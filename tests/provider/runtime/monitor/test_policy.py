"""The policy: one retraining per storm, never within the cooldown, never beyond the budget; and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_dag_factory.spec.monitoring.policy import PolicySpec
from mlops_provider.runtime.monitor.deciding.obstacles import Around
from mlops_provider.runtime.monitor.deciding.policy import Check, decide
from mlops_provider.runtime.monitor.deciding.silences import Silence
from mlops_provider.runtime.monitor.deciding.state import State
from mlops_provider.store.store import json_bytes

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rule(value=0.6, limit=0.3, name="data_drift"):
    """Give the result of a rule whose value may not reach its limit."""
    return {"rule": name, "result": "failed" if value >= limit else "passed", "value": value, "threshold": limit}


def floor(value, limit, name="accuracy >= 0.9"):
    """Give the result of a rule whose value may not fall below its limit."""
    return {"rule": name, "result": "failed" if value < limit else "passed", "value": value, "threshold": limit}


class Player:
    """Plays checks one after the other; each decision goes through JSON, as it does in the store."""

    def __init__(self, policy=None, on_breach=("notify", "retrain"), step=HOUR):
        self.policy = policy or PolicySpec()
        self.on_breach = on_breach
        self.step = step
        self.now = START
        self.state = State()
        self.made = []

    def check(self, *rules, status="", version="1", past=False, at=None, **around):
        failed = [one["rule"] for one in rules if one["result"] == "failed"]
        check = Check(
            id=f"check-{len(self.made)}",
            status=status or ("blocked" if failed else "passed"),
            rules=rules,
            reasons=[f"{name} broke" for name in failed],
            version=version,
            past=past,
        )
        now = at or self.now
        decision = decide(self.state, check, self.policy, self.on_breach, now, Around(**around))
        self.state = State.from_dict(json.loads(json.dumps(decision.state.to_dict())))
        self.made.append((now, decision))
        self.now += self.step
        return decision

    def play(self, letters):
        """Play b: breach, p: passed, v: vacuous; give the decisions."""
        kinds = {"b": ([rule(0.6)], ""), "p": ([rule(0.1)], ""), "v": ([], "vacuous")}
        return [self.check(*kinds[letter][0], status=kinds[letter][1]) for letter in letters]

    def hours(self, action):
        return [int((at - START) / HOUR) for at, decision in self.made if action in decision.actions]

    def deciders(self):
        return [decision.decided_by["rule"] for _, decision in self.made]


def silence(kind="silence", hours=2, **fields):
    about = {"id": "s-1", "by": "ana", "reason": "migration", "at": START, "until": START + hours * HOUR}
    return Silence(kind=kind, **{**about, **fields})


def test_a_quiet_month_does_nothing():
    player = Player()

    player.play("p" * 720)

    assert all(decision.actions == () for _, decision in player.made)
    assert player.made[0][1].why == "every check holds"


@pytest.mark.parametrize(
    ("letters", "acted"),
    [("bp", []), ("bb", [1]), ("bpb", [2]), ("bppb", []), ("vbvvb", [4]), ("bvpb", [3]), ("bpppbppp" * 90, [])],
)
def test_by_default_two_of_the_last_three_checks_must_break_a_rule(letters, acted):
    player = Player()

    player.play(letters)

    assert player.hours("retrain") == acted


def test_a_storm_gives_one_retraining_and_one_notice_a_day():
    player = Player(PolicySpec(cooldown="48h", per_week=2))

    player.play("p" * 100 + "b" * 100 + "v" * 20 + "p" * 100 + "b" * 400)

    assert player.hours("retrain") == [101, 149, 321, 369, 489, 537, 657, 705]
    assert player.made[100][1].why == "breach 1 of the 2 that it takes among 3 checks: data_drift broke"
    assert "the cooldown is 2 days" in player.made[103][1].why
    assert "within seven days, the budget is 2" in player.made[198][1].why
    assert player.hours("notify")[:5] == [101, 125, 149, 173, 197]


def test_while_a_retraining_is_under_way_none_is_asked_for_again_until_patience_ends():
    player = Player(PolicySpec(consecutive=1, cooldown="1h", patience="12h"))
    player.check(rule())

    for _ in range(12):
        player.check(rule(), pending="has not ended (run r-7)")

    assert player.hours("retrain") == [0, 12]
    _, held = player.made[5][1].held
    assert (held["action"], held["rule"], held["until"]) == ("retrain", "pending", "2026-01-01T12:00:00+00:00")
    assert "no retraining: the one asked for at 2026-01-01 00:00 has not ended (run r-7)" in player.made[5][1].why


def test_an_alarm_ends_only_clearly_below_its_limit_and_its_breaches_do_not_open_the_next():
    player = Player(on_breach=("notify",))

    for share in (0.4, 0.4, 0.29, 0.31, 0.28, 0.27, 0.4, 0.4):
        player.check(rule(share))

    deciders = ["waiting", "breaches", "hysteresis", "standing", "hysteresis", "cleared", "waiting", "breaches"]
    assert player.deciders() == deciders
    assert player.hours("notify") == [1, 7]


@pytest.mark.parametrize(("after", "ends"), [(0.905, False), (0.91, True)])
def test_the_margin_of_a_floor_is_a_share_of_what_is_left_above_it(after, ends):
    player = Player(PolicySpec(consecutive=1))
    player.check(floor(0.8, 0.9))

    decision = player.check(floor(after, 0.9))

    assert (decision.decided_by["rule"] == "cleared") is ends


def test_a_critical_breach_goes_through_quiet_hours_and_may_act_at_once():
    quiet = [{"cron": "0 22 * * *", "for": "8h", "timezone": "Europe/Berlin", "reason": "night"}]
    policy = PolicySpec(quiet=quiet, at_once=True)
    player = Player(policy)

    assert player.check(rule(0.5)).decided_by["rule"] == "waiting"
    night = player.check(rule(0.5))
    assert night.actions == ("retrain",)
    assert night.held == (
        {
            "action": "notify",
            "rule": "quiet",
            "until": "2026-01-01T06:00:00+01:00",
            "said": "quiet hours until 2026-01-01T06:00+01:00 (night)",
        },
    )
    assert [player.check(rule(0.5)).actions for _ in range(4)] == [(), (), (), ("notify",)]

    worse = Player(policy).check(rule(0.95, name="error_rate <= 0.3"))
    assert (worse.severity, worse.actions) == ("critical", ("notify", "retrain"))
    assert worse.decided_by["rule"] == "at_once"
    assert worse.decided_by["beyond"] == pytest.approx(2.167)
    assert Player(policy).check(rule(0.95, limit=0.1)).severity == "warning", "drift alone is no emergency"


def test_a_limit_of_nothing_has_no_multiple_and_its_breach_is_critical_and_on_record():
    player = Player(PolicySpec(at_once=True))

    decision = player.check(rule(0.02, limit=0.0, name="error_rate <= 0"))

    assert (decision.severity, decision.actions) == ("critical", ("notify", "retrain"))
    assert json.loads(json_bytes(decision.decided_by)) == {
        "rule": "at_once", "breaches": 1, "needed": 2, "of": 3, "critical": 2.0,
    }  # fmt: skip


def test_quiet_hours_follow_the_clocks_of_their_time_zone():
    quiet = [{"cron": "0 22 * * *", "for": "8h", "timezone": "Europe/Berlin", "reason": "night"}]
    for day, first in ((datetime(2026, 3, 28, 20, 30, tzinfo=UTC), 4), (datetime(2026, 3, 27, 20, 30, tzinfo=UTC), 5)):
        player = Player(PolicySpec(quiet=quiet, consecutive=1, remind="0s"))

        player.now = day
        for _ in range(12):
            player.check(rule())

        told = [at.hour for at, decision in player.made if "notify" in decision.actions]
        assert told[:2] == [20, first], (
            "22:00 to 06:00 is 21:00 to 05:00 UTC in winter, to 04:00 in the night of change"
        )


def test_a_silence_holds_what_it_names_and_afterwards_the_count_begins_anew():
    player = Player()
    drift = silence(check="data_drift")

    quiet = [player.check(rule(), silences=[drift]) for _ in range(2)]
    assert [one.actions for one in quiet] == [(), ()]
    assert quiet[0].why == "silenced by ana until 2026-01-01 02:00 (migration): data_drift broke"
    assert (quiet[0].breach, quiet[0].decided_by["rule"]) == (True, "silenced")
    assert [player.check(rule()).actions for _ in range(2)] == [(), ("notify", "retrain")]

    other = Player(PolicySpec(consecutive=1)).check(rule(), floor(0.5, 0.9), silences=[drift])
    assert other.actions == ("notify", "retrain")


def test_an_acknowledged_alarm_is_not_told_again_unless_something_else_breaks():
    player = Player(PolicySpec(consecutive=1, remind="0s", cooldown="7d"))
    player.check(rule())
    ack = silence("ack", hours=24, alarm="check-0")

    assert player.check(rule(), silences=[ack]).actions == ()
    assert "no notice: acknowledged by ana until 2026-01-02 00:00 (migration)" in player.made[-1][1].why
    assert player.check(rule(), floor(0.5, 0.9), silences=[ack]).actions == ("notify",)


def test_another_version_begins_anew_but_what_was_asked_for_counts():
    player = Player(PolicySpec(cooldown="24h"), on_breach=("notify", "fallback", "retrain"))
    assert [player.check(rule()).actions for _ in range(2)][1] == ("notify", "fallback", "retrain")

    first, second = (player.check(rule(), version="2") for _ in range(2))

    assert first.decided_by == {"rule": "waiting", "breaches": 1, "needed": 2, "of": 3}
    assert second.actions == ("notify",)
    assert [(one["action"], one["rule"]) for one in second.held] == [("fallback", "cooldown"), ("retrain", "cooldown")]


def test_once_is_enough_for_what_is_done_at_the_begin_of_an_alarm():
    player = Player(PolicySpec(consecutive=1, cooldown="0s", remind="0s"), on_breach=("notify", "todo", "stop"))

    player.play("bbb")

    assert [decision.actions for _, decision in player.made] == [("notify", "todo", "stop"), ("notify",), ("notify",)]


def test_a_backfill_is_on_record_and_neither_acts_nor_counts():
    player = Player()
    player.check(rule())

    past = player.check(rule(), past=True, at=START - timedelta(days=9))

    assert (past.breach, past.actions, past.decided_by["rule"]) == (True, (), "backfill")
    assert player.check(rule(0.1)).decided_by["rule"] == "holds"


@pytest.mark.parametrize("jump", [-HOUR, timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_jumps_and_comes_back_neither_ends_a_cooldown_nor_prolongs_it(jump):
    player = Player(PolicySpec(consecutive=1, cooldown="10h"))
    player.check(rule())

    wrong = [player.check(rule(), at=player.now + jump) for _ in range(3)]
    if jump < timedelta(0):
        assert not any("retrain" in one.actions for one in wrong)
    while player.now < START + timedelta(hours=40):
        player.check(rule())

    right = [hour for hour in player.hours("retrain") if 0 <= hour < 40]
    assert right[0] == 0
    assert all(later - earlier >= 10 for earlier, later in pairwise(right))
    assert len(right) >= 3


def test_a_wrong_number_of_checks_is_refused():
    with pytest.raises(ValueError, match="asks for 4 breaches among 3 checks"):
        PolicySpec(consecutive=4, of=3)

    assert PolicySpec(consecutive=4).among == 4
    with pytest.raises(ValueError, match="less than or equal to 50"):
        PolicySpec(consecutive=51)


def test_the_most_checks_that_can_be_asked_for_are_remembered():
    player = Player(PolicySpec(consecutive=50), on_breach=("notify",))

    player.play("b" * 50)

    assert player.hours("notify") == [49]


@settings(max_examples=150, deadline=None)
@given(
    letters=st.text("bpv", max_size=150),
    cooldown=st.integers(0, 72),
    per_week=st.integers(0, 5),
    consecutive=st.integers(1, 3),
    minutes=st.lists(st.integers(-90, 600), min_size=150, max_size=150),
)
def test_cooldown_budget_and_count_hold_for_any_history(letters, cooldown, per_week, consecutive, minutes):
    policy = PolicySpec(cooldown=timedelta(hours=cooldown), per_week=per_week, consecutive=consecutive)
    forward = Player(policy)
    for letter, step in zip(letters, minutes, strict=False):
        forward.step = timedelta(minutes=abs(step))
        forward.play(letter)
    times = [at for at, decision in forward.made if "retrain" in decision.actions]

    assert all(later - earlier >= policy.cooldown for earlier, later in pairwise(times))
    for at in times:
        assert sum(timedelta(0) <= at - other < timedelta(days=7) for other in times) <= per_week
    judged = [letter for letter in letters if letter != "v"]
    if "".join(judged).count("b") < consecutive:
        assert not any(decision.actions for _, decision in forward.made)

    jumping = Player(policy)
    for letter, step in zip(letters, minutes, strict=False):
        jumping.step = timedelta(minutes=step)
        jumping.play(letter)
    for (_, decision), letter in zip(jumping.made, letters, strict=True):
        assert letter == "b" or decision.actions == ()
