"""Ranks are SciPy's and areas scikit-learn's, with ties and without."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from mlops_provider.runtime.metrics.ranks import area_by_chances, area_by_ranks, average_ranks


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_ranks_and_areas_are_those_of_scipy_and_scikit_learn(digits):
    random = np.random.default_rng(digits)
    for rows in (2, 9, 300):
        scores = random.random(rows).round(digits)
        truth = random.random(rows) < scores
        truth[:2] = True, False
        chances = random.random(rows)

        assert average_ranks(scores).tolist() == rankdata(scores).tolist()
        assert area_by_ranks(average_ranks(scores), truth) == pytest.approx(roc_auc_score(truth, scores))
        both = np.repeat([1, 0], rows), np.tile(scores, 2)
        expected = roc_auc_score(*both, sample_weight=np.concatenate([chances, 1 - chances]))
        assert area_by_chances(scores, chances) == pytest.approx(expected)


def test_of_one_class_there_is_no_area():
    assert math.isnan(area_by_ranks(np.array([1.0, 2.0]), np.array([True, True])))
