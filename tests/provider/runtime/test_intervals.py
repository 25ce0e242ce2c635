"""Intervals: as wide as theory says, at a cost that does not grow with the rows."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.intervals import intervals
from mlops_provider.store.models import Signature

BINARY = Signature(task="classification", features=(), target="y", target_type="integer", classes=(0, 1))


def answers(rows, share=0.9):
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, rows)
    predicted = np.where(random.random(rows) < share, truth, 1 - truth)
    return Answers(signature=BINARY, truth=truth, predicted=predicted)


def measured(given, *names):
    return given.measure(names, {})


@pytest.mark.parametrize("rows", [500, 10_000, 200_000])
def test_the_width_is_that_of_the_binomial(rows):
    given = answers(rows)

    low, high = intervals(given, measured(given, "accuracy"))["accuracy"]

    assert low < (given.truth == given.predicted).mean() < high
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.9 * 0.1 / rows), rel=0.25)


def test_a_million_rows_cost_no_more_than_ten_thousand_do():
    given = answers(1_000_000)

    started = time.monotonic()
    intervals(given, measured(given, "accuracy", "f1"))

    assert time.monotonic() - started < 15  # drawn from all rows it takes a minute


def test_the_same_rows_give_the_same_interval():
    given = answers(300)

    first = intervals(given, measured(given, "f1"))

    assert first == intervals(given, measured(given, "f1"))
