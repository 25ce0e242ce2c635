"""A column has drifted when it matters and is no chance; what one column of many does by chance is not drift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, PredictionDriftCheck
from mlops_provider.runtime.monitor.drift.verdict import false_discovery, judge_features, judge_predictions
from mlops_provider.runtime.monitor.findings import Findings
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION


def found(beyond, columns=50, **more):
    """Make the findings of some columns, of which those in `beyond` reach their threshold, each with its chance."""
    names = [f"c{number}" for number in range(columns)]
    scores = {name: 0.2 if name in beyond else 0.01 for name in names}
    return Findings(scores=scores, thresholds=dict.fromkeys(names, 0.1), chances=beyond, **more)


def test_probabilities_are_adjusted_as_scipy_does():
    random = np.random.default_rng(0)
    for count in (1, 2, 50):
        chances = [*random.uniform(0, 1, count) ** 3, 0.01, 0.01, 1.0, 0.0]

        assert false_discovery(chances) == pytest.approx(false_discovery_control(chances), rel=1e-12)


@pytest.mark.parametrize(
    ("chances", "drifted"),
    [([1e-5], 1), ([1e-3], 0), ([1e-5, 1e-3], 1), ([1e-4] * 20, 20), ([0.03] * 20, 0)],
)
def test_how_rare_a_score_must_be_depends_on_how_many_columns_there_are(chances, drifted):
    findings = found({f"c{number}": chance for number, chance in enumerate(chances)})

    judge_features(DataDriftCheck(), 50, findings)

    assert findings.metrics["drift_share"] == drifted / 50
    by_chance = len(chances) - drifted
    assert (f"{by_chance} more beyond the threshold by chance" in findings.rules[0].why) is bool(by_chance)


def test_without_a_false_discovery_rate_the_threshold_alone_decides():
    findings = found({"c1": 0.5}, columns=3)

    judge_features(DataDriftCheck(false_discovery=None), 3, findings)

    assert (findings.rules[0].result, findings.rules[0].value) == ("failed", pytest.approx(1 / 3))


def test_a_score_without_a_distribution_was_judged_by_its_own_means():
    findings = found({}, columns=3)
    findings.scores["c2"] = 0.7

    judge_features(DataDriftCheck(), 3, findings)

    assert findings.metrics["drift_share"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("chance", "limit", "result"), [(1e-4, 0.01, "failed"), (0.2, 0.01, "passed"), (0.2, None, "failed")]
)
def test_predictions_that_moved_by_chance_have_not_drifted(chance, limit, result):
    findings = Findings(chances={PREDICTION: chance})

    judge_predictions(PredictionDriftCheck(false_discovery=limit), 0.15, "jensenshannon", findings)

    assert findings.rules[0].result == result
    assert ("that is chance (p 0.2, limit 0.01)" in findings.rules[0].why) is (result == "passed")


def test_a_score_without_bounds_is_said_in_few_words():
    findings = Findings(scores={"price": 1e300}, thresholds={"price": 0.1}, chances={"price": 0.0})

    judge_features(DataDriftCheck(), 1, findings)
    judge_predictions(PredictionDriftCheck(), 1.7e308, "wasserstein", findings)

    assert "price 1e+300" in findings.rules[0].why
    assert findings.rules[1].why == "predictions moved by 1.7e+308 (wasserstein), threshold 0.1"
