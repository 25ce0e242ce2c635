"""How near a value is to its limit: the same scale for values that may not rise and those that may not fall."""

from __future__ import annotations

import pytest

from mlops_provider.runtime.monitor.deciding.limits import overshoot, share_of_limit


@pytest.mark.parametrize(
    ("value", "limit", "result", "share"),
    [
        (0.1, 0.4, "passed", 0.25),
        (0.6, 0.4, "failed", 1.5),
        (0.6, 0.4, "warned", 1.5),
        (0.95, 0.9, "passed", 0.5),
        (0.7, 0.9, "failed", 3.0),
        (-0.2, -0.5, "passed", 0.4),
        (-0.6, -0.5, "failed", 1.2),
        (0.3, 0.0, "passed", 0.7),
        (0.01, 0.0, "failed", None),
        (120, 100, "failed", 1.2),
    ],
)
def test_what_breaks_a_rule_has_used_more_than_its_room(value, limit, result, share):
    rule = {"rule": "r", "value": value, "threshold": limit, "result": result}

    assert share_of_limit(rule) == (share if share is None else pytest.approx(share))
    if result == "failed" and share is not None:
        assert share == pytest.approx(1 + overshoot(rule))
