"""The policy: when a breach leads to action. A pure function of what was before, the check and the time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.monitor.deciding.limits import Rule, is_clear, overshoot
from mlops_provider.runtime.monitor.deciding.obstacles import AGAIN, PEOPLE, Around, Moment, said_of
from mlops_provider.runtime.monitor.deciding.state import Alarm, Mark, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from mlops_dag_factory.spec.monitoring.policy import PolicySpec
    from mlops_provider.runtime.monitor.deciding.silences import Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found.

    `id` names it, `version` is the one that answered, `reasons` are the sentences behind the verdict. `past` is
    True for a backfill: it is about a time that is over.
    """

    id: str
    status: str
    rules: Sequence[Rule] = ()
    reasons: Sequence[str] = ()
    version: str = ""
    past: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done, and the rule that decided it.

    `decided_by` has the rule's name as 'rule' and its numbers; `held` says the same of each action that is not taken
    although there is a breach. `state` is for the next check.
    """

    breach: bool
    actions: tuple[str, ...]
    why: str
    decided_by: dict[str, Any]
    severity: str
    state: State
    held: tuple[dict[str, Any], ...] = ()


def decide(
    before: State,
    check: Check,
    policy: PolicySpec,
    on_breach: Sequence[str],
    now: datetime,
    around: Around | None = None,
) -> Decision:
    """Decide about one check.

    A vacuous verdict neither counts as a breach nor as its absence. What another version did wrong does not count
    against the one that answers now. Cooldown and weekly budget concern retraining, the cooldown falling back too.
    """
    around = around or Around()
    cause = "; ".join(check.reasons)
    if check.past:
        words = f"a check of the past acts on nothing{f': {cause}' if cause else ''}"
        return _nothing(check, before, {"rule": "backfill"}, words, breach=check.status == "blocked")
    if check.status == "vacuous":
        return _nothing(check, before.seen(now), {"rule": "not_judged"}, cause or "nothing could be judged")
    state = _of_version(before.seen(now), check.version)
    broken = [rule for rule in check.rules if rule["result"] == "failed"]
    silent = {rule["rule"]: found for rule in broken if (found := _silence(around.silences, rule["rule"]))}
    counted = [rule for rule in broken if rule["rule"] not in silent]
    state = state.with_check(breach=bool(counted))
    if not counted:
        return _holds(state, check, policy, list(silent.values()))
    weighed = _weigh(state, counted, policy)
    if weighed.decided_by["rule"] == "waiting":
        text = f"breach {weighed.count} of the {policy.consecutive} that it takes among {policy.among} checks: {cause}"
        return Decision(
            breach=True,
            actions=(),
            why=text,
            decided_by=weighed.decided_by,
            severity="warning",
            state=state,
            held=tuple({"action": action, "rule": "waiting"} for action in on_breach),
        )
    return _act(state, check, policy, on_breach, now, around, weighed)


def _nothing(
    check: Check, state: State, decided_by: dict[str, Any], why: str, *, breach: bool = False, severity: str = ""
) -> Decision:
    warned = any(rule["result"] == "warned" for rule in check.rules)
    severity = severity or ("warning" if breach or warned else "none")
    return Decision(breach=breach, actions=(), why=why, decided_by=decided_by, severity=severity, state=state)


def _of_version(state: State, version: str) -> State:
    """Begin anew for a version that took over; what was asked for still counts."""
    if not version or version == state.version:
        return state
    return replace(state, version=version, judged=(), alarm=None)


def _silence(silences: Iterable[Silence], rule: str) -> Silence | None:
    return next((one for one in silences if one.kind == "silence" and one.check in {"", rule}), None)


def _holds(state: State, check: Check, policy: PolicySpec, silent: Sequence[Silence]) -> Decision:
    """Decide where no rule is broken that counts."""
    alarm = state.alarm
    said = "; ".join(check.reasons)
    if silent:
        numbers: dict[str, Any] = {
            "rule": "silenced",
            "silences": [one.id for one in silent],
            "until": silent[0].until.isoformat(),
        }
        words = f"silenced by {silent[0].by} until {silent[0].until:%Y-%m-%d %H:%M} ({silent[0].reason}): {said}"
        return _nothing(check, state, numbers, words, breach=True)
    words = "; ".join(["every check holds", *check.reasons])
    if alarm is None:
        return _nothing(check, state, {"rule": "holds"}, words)
    about = {rule["rule"]: rule for rule in check.rules}
    unclear = [name for name in alarm.rules if name in about and not is_clear(about[name], policy.hysteresis)]
    if unclear:
        numbers = {"rule": "hysteresis", "alarm": alarm.opened.id, "not_clear": unclear, "share": policy.hysteresis}
        words = f"{words}; the alarm of {alarm.opened.at:%Y-%m-%d %H:%M} stands: {', '.join(unclear)} is near its limit"
        return _nothing(check, state, numbers, words, severity="warning")
    since = f"{alarm.opened.at:%Y-%m-%d %H:%M}"
    numbers = {"rule": "cleared", "alarm": alarm.opened.id, "since": alarm.opened.at.isoformat()}
    ended = replace(state, alarm=None, judged=())  # breaches of an alarm that is over do not open the next one
    return _nothing(check, ended, numbers, f"{words}; the alarm of {since} has ended")


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What a breach weighs: how many there are, and how bad this one is."""

    count: int
    rules: tuple[str, ...]
    critical: bool
    decided_by: dict[str, Any] = field(default_factory=dict)


def _weigh(state: State, counted: Sequence[Rule], policy: PolicySpec) -> _Weighed:
    """Say which rule of the policy makes the breach count, or 'waiting'."""
    count = sum(state.judged[-policy.among :])
    names = tuple(rule["rule"] for rule in counted)
    worst = max(map(overshoot, counted))
    critical = worst >= policy.critical
    numbers: dict[str, Any] = {"breaches": count, "needed": policy.consecutive, "of": policy.among}
    if state.alarm is not None:
        opened = state.alarm.opened
        numbers |= {"rule": "standing", "alarm": opened.id, "since": opened.at.isoformat()}
    elif count >= policy.consecutive:
        numbers |= {"rule": "breaches"}
    elif critical and policy.at_once:
        far = {"beyond": round(worst, 3)} if math.isfinite(worst) else {}  # a limit of 0 has no multiple
        numbers |= {"rule": "at_once", **far, "critical": policy.critical}
    else:
        numbers |= {"rule": "waiting"}
    return _Weighed(count, names, critical, numbers)


def _act(
    state: State,
    check: Check,
    policy: PolicySpec,
    on_breach: Sequence[str],
    now: datetime,
    around: Around,
    weighed: _Weighed,
) -> Decision:
    """Decide which actions a breach that counts leads to now."""
    here = Mark.of(check.id, now)
    alarm = state.alarm or Alarm(here, state.version, ())
    fresh = set(weighed.rules) - set(alarm.rules)
    alarm = replace(alarm, rules=(*alarm.rules, *(name for name in weighed.rules if name in fresh)))
    moment = Moment(state, alarm, policy, now, around, critical=weighed.critical)
    wanted = tuple(dict.fromkeys(on_breach))
    held = {action: moment.of_machines(action) for action in wanted if action not in PEOPLE}
    news = bool(fresh) or alarm.owed or any(not why for why in held.values())
    held |= {action: moment.of_people(action, news=news) for action in wanted if action in PEOPLE}
    actions = tuple(action for action in wanted if not held[action])
    for action in actions:
        state = state.with_taken(action, here) if action in AGAIN else state
    told = "notify" in actions
    alarm = replace(
        alarm,
        done=tuple(dict.fromkeys([*alarm.done, *actions])),
        told=here if told else alarm.told,
        owed=news and not told,
    )
    left = tuple({"action": action, **held[action]} for action in wanted if held[action])
    return Decision(
        breach=True,
        actions=actions,
        why="; ".join(["; ".join(check.reasons), *said_of(left)]),
        decided_by=weighed.decided_by,
        severity="critical" if weighed.critical else "breach",
        state=replace(state, alarm=alarm),
        held=left,
    )
