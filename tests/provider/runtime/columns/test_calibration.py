"""What chance does to a score is known beforehand: as often as it says, at every size, and the same every time."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pandas as pd
import pytest

from mlops_provider.runtime.columns.calibration import Chance, grid
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.columns.scores import score
from mlops_provider.store.store import json_bytes

KINDS = {"temp": "number", "wind_speed": "number", "origin": "category", "hour": "category"}


@pytest.fixture(scope="module")
def weather(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    return frame[list(KINDS)].sample(6000, random_state=0, ignore_index=True)


def profiles(frame, centres=None):
    with duckdb.connect() as connection:
        connection.register("rows", frame)
        return profile_columns(connection, "rows", KINDS, centres)


@pytest.fixture(scope="module")
def scored(weather):
    """Score 60 windows of 200 rows against other rows of the same weather; give the baseline and the scores."""
    baseline = profiles(weather[:3000])
    centres = {name: profile.centre for name, profile in baseline.items()}
    random = np.random.default_rng(1)
    windows = [profiles(weather[3000:].iloc[random.choice(3000, 200)], centres) for _ in range(60)]
    return baseline, {name: [score(baseline[name], one[name]) for one in windows] for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_windows_in_which_nothing_changed_are_as_unusual_as_chance_has_it(scored, name):
    baseline, scores = scored
    chance = Chance.of(baseline[name], 200, "wasserstein" if KINDS[name] == "number" else "jensenshannon")

    chances = np.array([chance.p_value(one) for one in scores[name]])

    assert np.median(chances) == pytest.approx(0.5, abs=0.25)
    assert (chances < 0.05).mean() <= 0.17  # three of 60 are to be expected, ten come once in a thousand times
    assert chances.min() > 1e-4


def test_a_score_that_a_threshold_takes_for_drift_is_chance_in_a_small_window_and_not_in_a_large_one(scored):
    baseline, scores = scored
    assert np.mean(np.array(scores["hour"]) >= 0.1) > 0.7

    small, large = (Chance.of(baseline["hour"], rows, "jensenshannon") for rows in (200, 3000))

    assert small.p_value(0.15) > 0.05
    assert large.p_value(0.15) < 1e-6


def test_what_never_varies_has_no_chance_and_what_has_no_values_no_certainty(weather):
    constant = profiles(weather.assign(temp=3.0))["temp"]
    empty = profiles(weather.assign(temp=np.nan))["temp"]

    assert Chance.of(constant, 100, "wasserstein", draws=20).p_value(0.5) == 0
    assert Chance.of(empty, 100, "wasserstein", draws=20).p_value(0.5) == 1


def test_what_is_hardly_ever_there_has_a_chance_that_is_kept_as_json(weather):
    rare = profiles(weather.assign(temp=weather["temp"].where(weather.index < 3)))["temp"]

    chance = Chance.of(rare, 100, "wasserstein")

    assert 0 < np.isinf(chance.scores).sum() <= len(chance.scores)
    assert Chance.from_list(json.loads(json_bytes(chance.to_list()))) == chance
    assert chance.p_value(1e9) > 0.5, "most windows have nothing to compare"


def test_the_same_baseline_gives_the_same_distribution(weather):
    baseline = profiles(weather)["temp"]

    assert Chance.of(baseline, 150, "ks", draws=20) == Chance.of(baseline, 150, "ks", draws=20)


def test_sizes_are_rounded_down_so_that_chance_is_not_underrated():
    sizes = [grid(rows) for rows in range(1, 5000)]

    assert all(0.8 * rows <= size <= rows for rows, size in enumerate(sizes, start=1) if rows > 10)
    assert len(set(sizes)) < 60
