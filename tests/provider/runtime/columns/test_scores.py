"""Every score is Evidently's or SciPy's on real data, keeps its laws, and is right where Evidently is not."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.columns.scores import (
    METHODS_OF,
    p_value,
    score,
    set_aside,
    unseen_categories,
    unseen_share,
)

SYMMETRIC = {"jensenshannon", "hellinger", "ks"}
numbers = st.lists(st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float), min_size=1, max_size=60)
words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def weather(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    return frame[frame["month"] == 1], frame[frame["month"] == 2]


@pytest.mark.parametrize("column", ["temp", "dewp", "pressure", "wind_speed", "hour"])
@pytest.mark.parametrize(
    ("method", "within"), [("wasserstein", 1e-5), ("jensenshannon", 1e-3), ("psi", 2e-3), ("hellinger", 5e-3)]
)
def test_numbers_are_scored_as_evidently_does(profiled, weather, evidently, column, method, within):
    before, after = (side[column].dropna() for side in weather)
    baseline = profiled(before)

    found = score(baseline, profiled(after, like=baseline), method)

    assert found == pytest.approx(evidently(method, before, after, numeric=True), abs=within)


@pytest.mark.parametrize("method", ["jensenshannon", "psi", "hellinger"])
def test_categories_are_scored_as_evidently_does(profiled, weather, evidently, method):
    before, after = (side["wind_dir"].astype("string") for side in weather)
    found = score(profiled(before, "category"), profiled(after, "category"), method)

    assert found == pytest.approx(evidently(method, before, after, numeric=False), abs=1e-9)


def test_jensen_shannon_is_scipys_also_where_sides_are_nearly_equal_or_apart(profiled):
    random = np.random.default_rng(0)
    for sizes in ([1000, 1, 0, 500], [1000, 0, 3, 500], [0, 0, 1500, 0], [9999, 1, 1, 9999]):
        moved = [abs(size + int(random.integers(-1, 2))) for size in sizes]
        sides = [pd.Series(np.repeat(list("abcd"), some)).astype("string") for some in (sizes, moved)]

        found = score(*(profiled(side, "category") for side in sides), "jensenshannon")

        assert found == pytest.approx(np.nan_to_num(jensenshannon(sizes, moved)), rel=1e-6, abs=1e-12)


def test_kolmogorov_smirnov_and_chi_square_are_scipys(profiled, weather, evidently):
    before, after = (side["temp"].dropna() for side in weather)
    baseline = profiled(before)
    window = profiled(after, like=baseline)
    scipys = stats.ks_2samp(before, after, method="asymp")
    assert score(baseline, window, "ks") == pytest.approx(scipys.statistic, abs=1e-3)
    assert math.log(p_value(baseline, window)) == pytest.approx(math.log(scipys.pvalue), rel=0.02)

    before, after = (side["wind_dir"].dropna().astype("string") for side in weather)
    baseline, window = profiled(before, "category"), profiled(after, "category")
    assert p_value(baseline, window) == pytest.approx(evidently("chisquare", before, after, numeric=False), rel=1e-9)
    expected = before.value_counts() * (len(after) / len(before))
    statistic = stats.chisquare(after.value_counts().reindex(expected.index, fill_value=0), expected).statistic
    assert score(baseline, window, "chisquare") == pytest.approx(math.sqrt(statistic / len(after)), rel=1e-9)


def test_the_distance_of_any_two_shapes_is_scipys(profiled):
    generator = np.random.default_rng(3)
    shapes = {
        "crossing": (generator.normal(0, 1, 5_000), generator.normal(0, 2, 4_000)),
        "far": (generator.normal(1e9, 1, 5_000), generator.normal(1e9 + 3, 1, 4_000)),
        "tiny": (generator.normal(0, 1e-9, 5_000), generator.normal(1e-9, 1e-9, 4_000)),
        "skewed": (generator.lognormal(0, 2, 5_000), generator.lognormal(0.1, 2, 4_000)),
        "few values": (generator.integers(0, 3, 5_000) / 3, generator.integers(0, 4, 4_000) / 3),
    }
    for name, (before, after) in shapes.items():
        baseline = profiled(before)
        found = score(baseline, profiled(after, like=baseline))

        assert found == pytest.approx(stats.wasserstein_distance(before, after) / before.std(), abs=1e-5), name


@settings(max_examples=40, deadline=None)
@given(first=numbers, second=numbers)
@example(first=[-1.0, 0.0], second=[-1.0, 2.2e-313])
@example(first=[0.0, 2.2e-313], second=[-1.0, 0.0])
def test_numbers_are_no_distance_from_themselves_and_the_same_distance_both_ways(profiled, first, second):
    one = profiled(pd.Series(first))
    two = profiled(pd.Series(second), like=one)

    for method in METHODS_OF["number"]:
        assert score(one, one, method) == pytest.approx(0, abs=1e-7)
        assert score(one, two, method) >= 0
        assert math.isfinite(score(one, two, method))
    assert score(one, two, "ks") == pytest.approx(score(two, one, "ks"))
    if one.deviation > 0 and two.deviation > 0 and set_aside(one, two) == set_aside(two, one) == (0, 0):
        there, back = score(one, two) * one.deviation, score(two, one) * two.deviation
        assert there == pytest.approx(back, rel=1e-6, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(first=words, second=words)
def test_categories_are_no_distance_from_themselves_and_the_same_distance_both_ways(profiled, first, second):
    one, two = (profiled(pd.Series(values), "category") for values in (first, second))

    for method in METHODS_OF["category"]:
        assert score(one, one, method) == pytest.approx(0, abs=1e-7)
        assert math.isfinite(score(one, two, method))
        if method in SYMMETRIC:
            assert score(one, two, method) == pytest.approx(score(two, one, method))


@settings(max_examples=40, deadline=None)
@given(first=numbers, second=numbers, power=st.integers(-900, 900))
@example(first=[1.0, 2.0, 4.0], second=[2.0, 3.0], power=700)
@example(first=[1.0, 2.0, 4.0], second=[2.0, 3.0], power=-700)
def test_the_unit_that_numbers_are_measured_in_changes_no_score(profiled, first, second, power):
    values = [np.round(np.asarray(side), 3) for side in (first, second)]
    unit = 2.0**power
    baseline, scaled = profiled(values[0]), profiled(values[0] * unit)

    found = profiled(values[1], like=baseline), profiled(values[1] * unit, like=scaled)

    for method in ("wasserstein", "ks"):
        assert score(scaled, found[1], method) == pytest.approx(score(baseline, found[0], method), rel=1e-6, abs=1e-9)
    assert scaled.deviation == pytest.approx(baseline.deviation * unit, rel=1e-6, abs=1e-6 * unit)


def test_numbers_that_begin_with_a_hole_have_their_spread(profiled):
    generator = np.random.default_rng(0)
    hole = np.full(12_000, np.nan)
    before, after = (generator.normal(1e9 + moved, 1, 4_000) for moved in (0, 1))

    baseline = profiled(np.append(hole, before))
    window = profiled(np.append(hole, after), like=baseline)

    assert baseline.deviation == pytest.approx(before.std(), rel=1e-6)
    assert score(baseline, window) == pytest.approx(stats.wasserstein_distance(before, after) / before.std(), abs=1e-5)


def test_missing_values_have_a_share_of_their_own(profiled):
    before = profiled(pd.Series(["a", "b"] * 500), "category")
    after = profiled(pd.Series(["a", None] * 250 + ["b", None] * 250), "category")

    assert score(before, after) == pytest.approx(0, abs=1e-7)
    assert (before.missing_share, after.missing_share) == (0, 0.5)


def test_a_small_spread_is_a_spread(profiled):
    generator = np.random.default_rng(0)
    values = 5 + generator.normal(0, 1e-6, 2_000)
    baseline = profiled(values)

    assert score(baseline, profiled(values + 10e-6, like=baseline)) == pytest.approx(10, rel=0.05)
    assert score(baseline, profiled(values, like=baseline)) == 0


def test_one_absurd_value_neither_hides_drift_nor_is_it(profiled):
    generator = np.random.default_rng(0)
    values, moved = generator.normal(0, 1, 2_000), generator.normal(1, 1, 2_000)
    baseline = profiled(np.append(values, 1e18))

    assert score(baseline, profiled(moved, like=baseline)) == pytest.approx(1, rel=0.1)
    clean = profiled(values)
    spoilt = profiled(np.append(generator.normal(0, 1, 2_000), 1e18), like=clean)
    assert score(clean, spoilt) < 0.1
    assert set_aside(clean, spoilt) == (0, 1)
    assert score(clean, profiled(values * 1e6, like=clean)) > 1_000, "what is often so far out is how it is distributed"


def test_a_constant_baseline_is_left_by_any_move_and_by_none_when_it_stays(profiled):
    baseline = profiled([2.0] * 500)

    assert score(baseline, profiled([2.0] * 100, like=baseline)) == 0
    assert score(baseline, profiled([2.0001] * 100, like=baseline)) == 1
    spread = profiled(np.random.default_rng(0).normal(2, 1, 1_000), like=baseline)
    assert 0 < score(baseline, spread) <= 1


def test_a_tiny_shift_of_a_million_rows_is_tiny(profiled):
    generator = np.random.default_rng(0)
    values = generator.normal(0, 1, 1_000_000)
    baseline = profiled(values)
    window = profiled(values + 0.005, like=baseline)

    assert score(baseline, window, "ks") < 0.003
    assert score(baseline, window) == pytest.approx(0.005, rel=1e-3)
    assert p_value(baseline, window) < 0.05, "which is why a probability is no score"


def test_new_categories_are_counted_and_named(profiled):
    before = profiled(pd.Series(["a"] * 90 + ["b"] * 10), "category")
    after = profiled(pd.Series(["a"] * 80 + ["new"] * 15 + ["newer"] * 5), "category")

    assert unseen_categories(before, after) == {"new": 15, "newer": 5}
    assert unseen_share(before, after) == pytest.approx(0.2)


def test_texts_are_scored_by_new_words_or_by_length(profiled):
    before = profiled(pd.Series(["the train is late", "the bus is full today"] * 200), "text")
    same = profiled(pd.Series(["today the train is full", "the bus is late"] * 50), "text", like=before)
    other = profiled(pd.Series(["der Zug ist sehr spät heute angekommen", "the bus"] * 50), "text", like=before)

    assert score(before, same) == 0
    assert score(before, other) == pytest.approx(7 / 9)
    assert score(before, other, "length") > 1
    assert score(before, same, "jensenshannon") < score(before, other, "jensenshannon")


def test_texts_that_lost_all_their_words_have_moved(profiled):
    before = profiled(pd.Series(["the train is late", "the bus is full"] * 50), "text")
    dots = profiled(pd.Series(["...", "!?", ""] * 50), "text", like=before)

    for method in METHODS_OF["text"]:
        assert score(before, dots, method) > 0.5, method
        assert score(dots, dots, method) == pytest.approx(0, abs=1e-7), method
        if method != "length":
            assert score(dots, before, method) > 0.5, method


def test_new_words_are_seen_although_most_words_are_rare(profiled, monkeypatch):
    monkeypatch.setattr("mlops_provider.runtime.columns.scan.MOST_CATEGORIES", 100)
    generator = np.random.default_rng(0)

    def texts(rows):
        common, rare = generator.integers(0, 80, (rows, 9)), generator.integers(0, 5_000, (rows, 1))
        return [
            " ".join([*(f"c{word}" for word in line), f"r{one[0]}"]) for line, one in zip(common, rare, strict=True)
        ]

    baseline = profiled(pd.Series(texts(4_000)), "text")
    window = profiled(pd.Series(texts(4_000)), "text", like=baseline)
    new = profiled(pd.Series([f"{text} neu" for text in texts(4_000)]), "text", like=baseline)

    assert baseline.other > 0
    assert score(baseline, window) < 0.02
    assert score(baseline, new) == pytest.approx(1 / 11, abs=0.02)


def test_ten_thousand_categories_and_more_are_scored(profiled):
    generator = np.random.default_rng(0)
    before = profiled(pd.Series(generator.integers(0, 30_000, 60_000).astype(str)), "category")
    after = profiled(pd.Series(generator.integers(0, 30_000, 60_000).astype(str)), "category")

    assert before.other > 0
    assert math.isfinite(score(before, after))
    assert unseen_categories(before, after) == {}


def test_what_cannot_be_compared_says_so(profiled):
    number, text = profiled([1.0, 2.0]), profiled(pd.Series(["a"]), "category")

    with pytest.raises(DataError, match="the window has no value"):
        score(number, profiled([math.nan]))
    with pytest.raises(DataError, match="a category cannot be compared with a number"):
        score(number, text)
    with pytest.raises(ConfigError, match="a category has no score 'wasserstein'"):
        score(text, text, "wasserstein")
    with pytest.raises(DataError, match="cannot be compared"):
        score(number, profiled([5.0, 6.0]))
