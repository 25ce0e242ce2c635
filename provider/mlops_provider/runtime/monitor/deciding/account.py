"""Explain a decision: why the monitor acted or did not, and what would make it act. Everything is on its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.monitor.deciding.limits import share_of_limit

if TYPE_CHECKING:
    from mlops_provider.runtime.monitor.deciding.decisions import Entry

_NEAREST = 5


def account(entry: Entry) -> dict[str, Any]:
    """Give a decision with `would_act`, sentences on what would make it act, and the rules nearest to their limits."""
    return {
        **{name: entry[name] for name in ("id", "at", "version", "status", "breach", "severity", "actions", "why")},
        **{name: entry[name] for name in ("decided_by", "held", "rules", "silences", "report", "window")},
        "alarm": entry["state"]["alarm"],
        "nearest": _nearest(entry["limits"]),
        "would_act": would_act(entry),
    }


def would_act(entry: Entry) -> list[str]:
    """Say what would make the monitor act, of the rule that decided."""
    rule, policy = entry["decided_by"]["rule"], entry["policy"]
    wanted = ", ".join(entry["on_breach"])
    enough = f"{policy['consecutive']} of {policy['of']} checks that break a rule"
    if rule == "waiting":
        more = _more(entry["state"]["judged"], policy["consecutive"], policy["of"])
        return [f"{more} more breach{'es' if more > 1 else ''} in the next check{'s' if more > 1 else ''}: {wanted}"]
    if rule == "silenced":
        ends = f"after {_minute(entry['decided_by']['until'])}, or when the silence is ended"
        return [f"{enough} {ends}: {wanted}"]
    said = {
        "backfill": "nothing: it is about a time that is over",
        "not_judged": f"a window that can be judged ({policy['minimum_rows']} rows or more), and {enough}: {wanted}",
        "holds": f"{enough}: {wanted}",
        "cleared": f"{enough}: {wanted}",
        "hysteresis": f"one check that breaks a rule, for the alarm stands: {wanted}",
    }
    return [said[rule]] if rule in said else [_when(one) for one in entry["held"]]


def _when(held: dict[str, Any]) -> str:
    action = held["action"]
    if held["rule"] == "done":
        return f"{action}: the next alarm ({held['said']})"
    if held["rule"] in {"remind", "acknowledged"}:
        return f"{action}: another rule that breaks, or from {_minute(held['until'])} on, while the alarm stands"
    if held["rule"] == "quiet":
        return f"{action}: a critical breach, or a breach from {_minute(held['until'])} on"
    if held["rule"] == "pending":
        return f"{action}: a breach after that retraining has ended, or from {_minute(held['until'])} on"
    if "until" in held:
        return f"{action}: a breach from {_minute(held['until'])} on"
    return f"{action}: nothing, the budget is {held.get('budget', 0)}"


def _more(judged: list[bool], needed: int, among: int) -> int:
    """Count the breaches in a row that it still takes."""
    more = 0
    while sum([*judged, *[True] * more][-among:]) < needed:
        more += 1
    return more


def _nearest(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the rules with a limit, the nearest to it first."""
    shares = [{**rule, "share_of_limit": share} for rule in rules if (share := share_of_limit(rule)) is not None]
    return sorted(shares, key=lambda rule: -rule["share_of_limit"])[:_NEAREST]


def _minute(text: str) -> str:
    return f"{text[:16].replace('T', ' ')}{text[-6:] if text[-6:] != '+00:00' else ' UTC'}"


def words(found: dict[str, Any]) -> str:
    """Give the account of a decision in plain text."""
    acted = ", ".join(found["actions"]) or "nothing was done"
    lines = [
        f"{_minute(found['at'])}, version {found['version'] or 'none'}: {found['status']}, {acted}",
        f"why: {found['why']}",
        f"decided by: {_numbers(found['decided_by'])}",
        *(f"held: {one['action']} by {_numbers({k: v for k, v in one.items() if k not in {'action', 'said'}})}"
          for one in found["held"]),
        *(f"would make it act: {sentence}" for sentence in found["would_act"]),
    ]  # fmt: skip
    if alarm := found["alarm"]:
        since, rules = _minute(alarm["opened"]["at"]), ", ".join(alarm["rules"])
        lines.append(f"alarm: since {since}, of {rules} ({alarm['opened']['id']})")
    lines += [
        f"limit: {rule['rule']} at {rule['value']:.4g}, limit {rule['threshold']:.4g} ({rule['result']})"
        for rule in found["nearest"]
    ]
    return "\n".join(lines)


def _numbers(decided_by: dict[str, Any]) -> str:
    rest = ", ".join(f"{name} {value}" for name, value in decided_by.items() if name != "rule")
    return f"{decided_by['rule']}{f' ({rest})' if rest else ''}"
