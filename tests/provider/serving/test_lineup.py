"""Who answers whom: shares are as the weights say, and a client stays where it is."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from mlops_provider.serving.lineup import Lineup

KEYS = [f"client-{i}" for i in range(20_000)]


def lineup(**weights):
    return Lineup(
        tuple(SimpleNamespace(version=SimpleNamespace(version=name, weight=weights[name])) for name in weights)
    )


def answers(made, keys=KEYS):
    return [made.choose(key).version.version for key in keys]


@pytest.mark.parametrize("weights", [{"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v1": 98, "v2": 1, "v3": 1}])
def test_versions_get_their_shares(weights):
    counted = Counter(answers(lineup(**weights)))

    expected = [len(KEYS) * weight / 100 for weight in weights.values()]
    assert chisquare([counted[name] for name in weights], expected).pvalue > 0.001


def test_a_growing_canary_takes_clients_over_and_gives_none_back():
    before, after = answers(lineup(v1=90, v2=10)), answers(lineup(v2=30, v1=70))

    moves = Counter(pair for pair in zip(before, after, strict=True) if pair[0] != pair[1])

    assert list(moves) == [("v1", "v2")]


@given(key=st.text(max_size=64), weights=st.lists(st.integers(0, 100), min_size=1, max_size=4).filter(any))
def test_a_client_gets_one_version_and_never_one_without_weight(key, weights):
    made = lineup(**{f"v{i}": weight for i, weight in enumerate(weights)})

    chosen = {made.choose(key).version.version for _ in range(3)}

    assert len(chosen) == 1
    assert weights[int(chosen.pop()[1:])] > 0
