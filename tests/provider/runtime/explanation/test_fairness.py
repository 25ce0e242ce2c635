"""Fairness: fairlearn's numbers for any table of groups; intervals that are honest about few rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.explanation.fairness import measure_fairness
from mlops_provider.runtime.explanation.groups import MISSING, groups_of
from mlops_provider.store.models import Signature

CELLS = [(truth, predicted) for truth in (0, 1) for predicted in (0, 1)]


def answers_of(cells, classes=("no", "yes")):
    """Make answers of so many rows for each group and (truth, prediction)."""
    rows = [
        (f"g{group}", *cell)
        for group, counts in enumerate(cells)
        for cell, n in zip(CELLS, counts, strict=True)
        for _ in range(n)
    ]
    names = np.array(classes, dtype=object)
    groups, truth, predicted = zip(*rows, strict=True)
    signature = Signature(task="classification", features=(), target="y", target_type="string", classes=classes)
    answers = Answers(
        signature=signature, truth=names[list(truth)], predicted=names[list(predicted)], probabilities=None
    )
    return answers, pd.Series(groups, name="group")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(10, 40)] * 4), min_size=2, max_size=5))
def test_every_number_is_fairlearns_whatever_the_table(cells):
    answers, column = answers_of(cells)

    gaps = measure_fairness(answers, column).gaps

    yes, said = (values == "yes" for values in (answers.truth, answers.predicted))
    for metric, name in {
        "demographic_parity_difference": "demographic_parity_difference",
        "demographic_parity_ratio": "demographic_parity_ratio",
        "equalized_odds_difference": "equalized_odds_difference",
        "true_positive_rate_difference": "true_positive_rate_difference",
        "false_positive_rate_difference": "false_positive_rate_difference",
        "accuracy_difference": "accuracy_score_difference",
    }.items():
        expected = getattr(fairlearn, name)(yes, said, sensitive_features=column)
        assert gaps[metric].value == pytest.approx(expected)
        assert 0 <= gaps[metric].low <= gaps[metric].value <= gaps[metric].high <= 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(10, 40)] * 4), min_size=2, max_size=4))
def test_the_named_groups_are_those_that_make_the_value(cells):
    answers, column = answers_of(cells)

    for gap in measure_fairness(answers, column).gaps.values():
        assume(gap.most_rate > 0)
        made = gap.least_rate / gap.most_rate if gap.metric.endswith("ratio") else gap.most_rate - gap.least_rate
        assert made == pytest.approx(gap.value)


def test_the_other_class_can_be_the_favorable_one():
    answers, column = answers_of([(40, 10, 10, 40), (20, 30, 30, 20)])

    found = measure_fairness(answers, column, favorable="no")

    assert found.groups[0].rates["selection_rate"] == 0.5
    assert found.groups[0].rates["true_positive_rate"] == pytest.approx(40 / 50)


def test_small_groups_are_shown_and_not_compared():
    answers, column = answers_of([(20, 20, 20, 20), (20, 20, 20, 20), (0, 0, 0, 29)])

    found = measure_fairness(answers, column)

    assert [(group.rows, group.compared) for group in found.groups] == [(80, True), (80, True), (29, False)]
    assert found.groups[2].rates["selection_rate"] == 1
    assert found.gaps["demographic_parity_difference"].value == 0


def test_a_group_without_positives_has_no_true_positive_rate_to_compare():
    answers, column = answers_of([(20, 20, 20, 20), (20, 20, 10, 30), (30, 30, 0, 0)])

    found = measure_fairness(answers, column)

    assert "true_positive_rate" not in found.groups[2].rates
    assert found.gaps["true_positive_rate_difference"].value == pytest.approx(30 / 40 - 20 / 40)


def test_groups_that_all_get_no_are_not_said_to_be_surely_equal():
    answers, column = answers_of([(30, 0, 10, 0), (30, 0, 10, 0)])

    gap = measure_fairness(answers, column).gaps["demographic_parity_difference"]

    assert gap.value == gap.low == 0
    assert 0.02 < gap.high < 0.15


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    covered = 0
    for seed in range(40):
        cells = [random.multinomial(200, [0.25, 0.25, 0.25, 0.25]), random.multinomial(200, [0.35, 0.15, 0.35, 0.15])]
        answers, column = answers_of(cells)
        gap = measure_fairness(answers, column, seed=seed).gaps["demographic_parity_difference"]
        covered += gap.low <= 0.2 <= gap.high

    assert covered >= 34


def test_numbers_with_many_values_are_cut_into_bins_of_equal_size():
    column = pd.Series([*range(100), None, float("inf")], name="age")

    groups = groups_of(column)

    assert list(groups.categories) == ["0 to 24", "25 to 49", "50 to 74", "75 to 99", MISSING]
    assert groups.value_counts().tolist() == [25, 25, 25, 25, 2]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([2, 1, 10, 1], ["1", "2", "10"]),
        ([1.0, None, 2.5], ["1", "2.5", MISSING]),
        ([True, False, None], ["False", "True", MISSING]),
        (["b", None, "a", ""], ["", "a", "b", MISSING]),
        ([None, None], [MISSING]),
    ],
)
def test_values_are_groups_and_so_is_their_absence(values, names):
    groups = groups_of(pd.Series(values, name="g"))

    assert list(groups.categories) == names
    assert not groups.isna().any()
