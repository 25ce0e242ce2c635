"""Intervals: as wide as theory says, at a cost that does not grow with the rows."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from mlops_provider.runtime.intervals import intervals


def answers(rows, share=0.9):
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, rows)
    return truth, np.where(random.random(rows) < share, truth, 1 - truth)


@pytest.mark.parametrize("rows", [500, 10_000, 200_000])
def test_the_width_is_that_of_the_binomial(rows):
    truth, predicted = answers(rows)

    low, high = intervals("classification", truth, predicted, None, (0, 1), ["accuracy"])["accuracy"]

    assert low < (truth == predicted).mean() < high
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.9 * 0.1 / rows), rel=0.25)


def test_a_million_rows_cost_no_more_than_ten_thousand_do():
    truth, predicted = answers(1_000_000)

    started = time.monotonic()
    intervals("classification", truth, predicted, None, (0, 1), ["accuracy", "f1"])

    assert time.monotonic() - started < 15  # drawn from all rows it takes a minute


def test_the_same_rows_give_the_same_interval():
    truth, predicted = answers(300)

    first = intervals("classification", truth, predicted, None, (0, 1), ["f1"])

    assert first == intervals("classification", truth, predicted, None, (0, 1), ["f1"])
