"""Intervals and gains: as sure as they say, by tests that statistics textbooks would give."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import accuracy_score, mean_absolute_error

from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.gains import exchange, gains, mcnemar
from mlops_provider.runtime.intervals import intervals
from mlops_provider.runtime.metrics import METRICS, usual
from mlops_provider.runtime.resampling import block_length, resample
from mlops_provider.store.models import Signature

BINARY = Signature(task="classification", features=(), target="y", target_type="integer", classes=(0, 1))
NUMBERS = Signature(task="regression", features=(), target="y", target_type="float")


def classified(random, rows, signal):
    truth = random.integers(0, 2, rows)
    positive = norm.cdf(signal * (truth - 0.5) + random.normal(size=rows))
    return Answers(
        signature=BINARY,
        truth=truth,
        predicted=(positive > 0.5).astype(int),
        probabilities=np.column_stack([1 - positive, positive]),
    )


def other(answers, random, share):
    """Give a model that answers a share of the rows at random."""
    change = random.random(len(answers)) < share
    positive = np.where(change, random.random(len(answers)), answers.probabilities[:, 1])
    return Answers(
        signature=BINARY,
        truth=answers.truth,
        predicted=(positive > 0.5).astype(int),
        probabilities=np.column_stack([1 - positive, positive]),
    )


def numbers(truth, error):
    return Answers(signature=NUMBERS, truth=truth, predicted=truth + error)


def gain_of(answers, champion, names=()):
    found, theirs = (each.measure(names, {}) for each in (answers, champion))
    return gains(answers, champion, found, theirs, resample([answers, champion], found))


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss", "mcc"])
def test_an_interval_holds_the_true_value_about_as_often_as_it_says(name):
    truth = classified(np.random.default_rng(0), 200_000, 1.5).measure([name], {})[name]
    held = 0
    for seed in range(60):
        answers = classified(np.random.default_rng(seed + 1), 250, 1.5)
        low, high = intervals(answers, answers.measure([name], {}))[name]
        held += low <= truth <= high

    assert 51 <= held <= 60  # 57 are expected; fewer than 51 happen in 4 of 1,000 tries


def test_blocks_make_the_interval_of_a_forecast_as_wide_as_its_errors_are_alike():
    random = np.random.default_rng(0)
    noise = np.convolve(random.normal(size=2100), np.ones(30) / 30, "valid")[:2000]  # errors of neighbours are alike
    signature = Signature(task="forecasting", features=(), target="y", target_type="float", timestamp="t", season=30)
    truth, time = np.arange(2000.0), random.permutation(2000)
    in_time = Answers(signature=signature, truth=truth, predicted=truth + noise[time], time=time)
    by_row = Answers(signature=NUMBERS, truth=truth, predicted=truth + noise[time])

    (low, high), (lower, higher) = (intervals(each, each.measure(["mae"], {}))["mae"] for each in (in_time, by_row))

    assert high - low > 2.5 * (higher - lower)
    assert [block_length(2000, season) for season in (1, 30)] == [13, 30]


def test_queries_are_drawn_whole():
    random = np.random.default_rng(0)
    signature = Signature(task="ranking", features=(), target="y", target_type="integer", query="q")
    query = np.repeat(np.arange(50), 20)
    truth = random.integers(0, 3, 1000)
    answers = Answers(signature=signature, truth=truth, predicted=truth + random.normal(size=1000), query=query)
    found = answers.measure(["ndcg", "mrr"], {})
    each = METRICS["ranking"]["ndcg"].each(answers)

    low, high = intervals(answers, found)["ndcg"]

    assert high - low == pytest.approx(2 * 1.96 * each.std() / 50**0.5, rel=0.15)


@pytest.mark.parametrize(("first", "second"), [(10, 2), (0, 0), (5, 5), (300, 240), (0, 7)])
def test_mcnemars_test_is_the_binomial_one(first, second):
    expected = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0

    assert mcnemar(first, second) == pytest.approx(expected)


def test_the_gain_in_accuracy_is_tested_by_mcnemar():
    random = np.random.default_rng(3)
    ours = classified(random, 400, 2.5)
    champion = other(ours, random, 0.2)
    right, also = ours.predicted == ours.truth, champion.predicted == ours.truth

    found = gain_of(ours, champion)["accuracy"]

    expected = accuracy_score(ours.truth, ours.predicted) - accuracy_score(ours.truth, champion.predicted)
    assert found.value == pytest.approx(expected)
    assert found.p_value == binomtest(int((right & ~also).sum()), int((right != also).sum())).pvalue
    assert found.test == "McNemar's exact test"
    assert found.low < found.value < found.high


def test_the_randomisation_test_is_exact():
    differences = np.random.default_rng(1).normal(0.4, 1, 10)
    sums = [abs(differences @ np.array(signs)) for signs in product([-1, 1], repeat=10)]
    expected = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)

    assert exchange(differences) == pytest.approx(expected, abs=0.02)


def test_grouped_exchanges_find_chance_as_often_as_they_say():
    random = np.random.default_rng(0)

    p_values = [exchange(random.normal(size=2000), seed) for seed in range(80)]

    assert sum(p < 0.05 for p in p_values) <= 10  # 4 are expected
    assert 0.35 < np.mean(p_values) < 0.65


def test_above_zero_is_better_whichever_way_the_metric_goes():
    random = np.random.default_rng(5)
    truth = random.normal(10, 2, 500)
    error = random.normal(0.3, 1, 500)
    ours, champion = numbers(truth, error), numbers(truth, error * 2)

    found = gain_of(ours, champion, ["mae", "rmse", "r2", "bias", "max_error"])

    assert all(gain.value > 0 for gain in found.values())
    assert found["mae"].value == pytest.approx(mean_absolute_error(truth, champion.predicted) * 0.5)
    assert found["mae"].p_value < 0.001
    assert found["bias"].value == pytest.approx(abs(error.mean()))
    assert found["max_error"].low is None  # an extreme has no interval


def test_a_model_gains_nothing_over_itself():
    ours = classified(np.random.default_rng(0), 300, 1)

    found = gain_of(ours, ours)

    for gain in found.values():
        assert (gain.value, gain.low, gain.high, gain.p_value) == (0, 0, 0, 1)


def test_the_pair_is_drawn_together():
    """Models that err on the same rows differ by little: unpaired intervals would be as wide as each model's."""
    random = np.random.default_rng(2)
    ours = classified(random, 1000, 1)
    champion = other(ours, random, 0.02)

    found, alone = gain_of(ours, champion), intervals(ours, ours.measure([], {}))

    for name in usual("binary"):
        low, high = alone[name]
        assert found[name].high - found[name].low < 0.5 * (high - low), name


def test_draws_by_counts_and_by_rows_are_alike():
    ours = classified(np.random.default_rng(0), 800, 1.5)
    found = ours.measure(["accuracy", "f1"], {})
    by_counts = intervals(ours, found)
    by_rows = {
        name: np.quantile(
            [
                ours.take(np.random.default_rng(seed).integers(0, 800, 800)).measure([name], {})[name]
                for seed in range(300)
            ],
            [0.025, 0.975],
        )
        for name in found
    }

    for name, (low, high) in by_counts.items():
        assert (low, high) == pytest.approx(tuple(by_rows[name]), abs=0.012)


def test_equal_seeds_give_equal_gains():
    ours = classified(np.random.default_rng(0), 300, 1)
    champion = other(ours, np.random.default_rng(1), 0.3)

    assert gain_of(ours, champion) == gain_of(ours, champion)
