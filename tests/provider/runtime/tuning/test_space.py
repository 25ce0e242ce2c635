"""Whatever the space, what is drawn lies in it, and on its steps."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_dag_factory.spec.tune import RangeSpec
from mlops_provider.runtime.metrics import goodness
from mlops_provider.runtime.tuning.judge import LEAST_TRIALS, is_hopeless
from mlops_provider.runtime.tuning.sampler import rungs
from mlops_provider.runtime.tuning.space import draw, grid
from mlops_provider.runtime.tuning.trial import Goal, Trial

numbers = st.floats(-1e6, 1e6, allow_nan=False, width=32)
seeds = st.integers(0, 2**31)


@settings(deadline=None, max_examples=60)
@given(numbers, st.floats(1e-3, 1e6), seeds)
def test_drawn_numbers_lie_between_the_bounds(low, width, seed):
    space = {"x": RangeSpec(low=low, high=low + width)} if low + width > low else {"x": [low]}

    values = [one["x"] for one in draw(space, 20, seed)]

    assert all(low <= value <= low + width for value in values)


@settings(deadline=None, max_examples=60)
@given(st.floats(1e-9, 1e3), st.floats(1.001, 1e6), seeds)
def test_numbers_drawn_by_magnitude_lie_between_the_bounds(low, factor, seed):
    values = [one["x"] for one in draw({"x": RangeSpec(low=low, high=low * factor, log=True)}, 20, seed)]

    assert all(low <= value <= low * factor for value in values)


@settings(deadline=None, max_examples=60)
@given(st.integers(-50, 50), st.integers(1, 30), st.integers(1, 7), seeds)
def test_whole_steps_give_whole_numbers_on_the_steps_and_none_twice(low, steps, step, seed):
    space = {"x": RangeSpec(low=low, high=low + steps * step, step=step)}

    values = [one["x"] for one in draw(space, 1000, seed)]

    assert sorted(values) == list(range(low, low + steps * step + 1, step))
    assert all(type(value) is int for value in values)
    assert [one["x"] for one in grid(space)] == sorted(values)


@settings(deadline=None, max_examples=60)
@given(st.floats(-100, 100), st.floats(0.01, 3), st.integers(1, 40))
def test_fractions_of_steps_stay_on_the_steps_and_within_the_bounds(low, step, steps):
    high = low + steps * step

    values = [one["x"] for one in grid({"x": RangeSpec(low=low, high=high, step=step)})]

    assert len(values) in {steps, steps + 1}  # the last step may miss the bound by a rounding
    assert all(value <= high and math.isclose((value - low) / step, i, abs_tol=1e-6) for i, value in enumerate(values))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 20), st.integers(1, 5000), seeds)
def test_whole_numbers_by_magnitude_are_whole_and_within_the_bounds(low, width, seed):
    space = {"x": RangeSpec(low=low, high=low + width, step=1, log=True)}

    values = [one["x"] for one in draw(space, 30, seed)]

    assert all(type(value) is int and low <= value <= low + width for value in values)


def test_small_values_are_drawn_as_often_as_large_ones_by_magnitude():
    values = [one["x"] for one in draw({"x": RangeSpec(low=1e-4, high=1, log=True)}, 2000, 0)]

    below = sum(value < 1e-2 for value in values) / len(values)

    assert below == pytest.approx(0.5, abs=0.05)


def test_lists_keep_their_values_whatever_they_are():
    space = {"sizes": [[10], [10, 5], None], "kind": ["a", True]}

    found = draw(space, 100, 3)

    assert len(found) == 6
    assert sorted(map(repr, found)) == sorted(map(repr, grid(space)))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 200), st.integers(30, 100_000), st.integers(6, 30))
def test_rungs_are_those_of_scikit_learns_halving(candidates, rows, least):
    from math import ceil, floor, log

    needed = 1 + floor(log(candidates) / log(3) + 1e-9)
    smallest = max(least, rows // 3 ** (needed - 1))
    possible = 1 + floor(log(rows // smallest) / log(3) + 1e-9)

    found = rungs(candidates, rows, least)

    assert len(found) == min(needed, possible)
    assert [rung.rows for rung in found] == [3**i * smallest for i in range(len(found))]
    assert all(later.trials == ceil(rung.trials / 3) for rung, later in itertools.pairwise(found))


@pytest.mark.parametrize(("candidates", "cv"), [(9, 3), (20, 3), (5, 5), (30, 2)])
def test_rungs_equal_what_scikit_learn_does_with_the_same_data(candidates, cv):
    from sklearn.datasets import load_breast_cancer
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV
    from sklearn.naive_bayes import GaussianNB

    x, y = load_breast_cancer(return_X_y=True)
    values = {"var_smoothing": [10.0**-i for i in range(40)]}
    peer = HalvingRandomSearchCV(
        GaussianNB(), values, n_candidates=candidates, min_resources="exhaust", cv=cv, random_state=0
    )
    peer.fit(x, y)

    found = rungs(candidates, len(x), 2 * cv * 2)

    assert [rung.rows for rung in found] == peer.n_resources_
    assert [rung.trials for rung in found] == peer.n_candidates_


scores = st.floats(0, 1, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(scores, min_size=4, max_size=4), max_size=12),
    st.lists(scores, min_size=1, max_size=3),
    st.sampled_from(["accuracy", "rmse"]),
)
def test_a_trial_is_given_up_exactly_when_optunas_median_pruner_would(finished, current, metric):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    goal = Goal(metric)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=LEAST_TRIALS))
    for folds in finished:
        trial = study.ask()
        for step in range(len(folds)):
            trial.report(goodness(metric, sum(folds[: step + 1]) / (step + 1)), step)
        study.tell(trial, goodness(metric, sum(folds) / len(folds)))
    asked = study.ask()
    for step in range(len(current)):
        asked.report(goodness(metric, sum(current[: step + 1]) / (step + 1)), step)
    earlier = [Trial(number=i, parameters={}, state="finished", folds=tuple(folds)) for i, folds in enumerate(finished)]

    ours = is_hopeless(current, earlier, goal)

    assert ours == asked.should_prune()
