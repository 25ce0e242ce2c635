"""How far a value is from its limit: a breach beyond it, or a value that is clearly back on its good side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Rule = dict[str, Any]
"""A rule's result as the report has it (verdicts.RuleResult in JSON)."""

_DRIFT = ("data_drift", "prediction_drift", "multivariate_drift")
_EQUAL = 1e-12
"""What differs by less is equal, as in gates."""


def overshoot(rule: Mapping[str, Any]) -> float:
    """Give by how many times its room a rule's value is beyond the limit; 0 where it holds or has no value.

    The room is the limit itself, and for a value that may not fall below a limit between 0 and 1 what is left
    above it: accuracy 0.7 where 0.9 is asked for is two times the 0.1 that it might have been wrong in. Of drift it
    is what is left above the limit, too: columns that moved are no proof that answers are wrong.
    """
    value, limit = rule.get("value"), rule.get("threshold")
    if rule["result"] != "failed" or value is None or limit is None:
        return 0.0
    room = _room(limit, falls=value < limit or rule["rule"].startswith(_DRIFT))
    return abs(value - limit) / room if room else math.inf


def is_clear(rule: Mapping[str, Any], hysteresis: float) -> bool:
    """Say whether a rule that broke holds again, by `hysteresis` times its room; one that was not judged does not."""
    if rule["result"] not in {"passed", "warned"}:
        return False
    value, limit = rule.get("value"), rule.get("threshold")
    if value is None or limit is None or hysteresis == 0:
        return True
    margin = hysteresis * _room(limit, falls=value > limit)
    return bool(abs(value - limit) >= margin - _EQUAL)


def share_of_limit(rule: Mapping[str, Any]) -> float | None:
    """Give how much of its room a value has used up: more than 1 where it breaks the rule; None where there is none."""
    value, limit = float(rule["value"]), float(rule["threshold"])
    falls = (value < limit) == (rule["result"] in {"failed", "warned"})
    room = _room(limit, falls=falls)
    return round(1 + (limit - value if falls else value - limit) / room, 4) if room else None


def _room(limit: float, *, falls: bool) -> float:
    """Give the scale of a limit; `falls` where values below it break it."""
    return 1.0 - limit if falls and 0 <= limit < 1 else abs(limit)
