"""Gates: what holds at a threshold, what is never false by accident, and what a rule's result says."""

from __future__ import annotations

import math
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import SAME
from mlops_provider.runtime.gains import gain
from mlops_provider.runtime.metrics import LOWER_IS_BETTER
from mlops_provider.verdicts import RuleResult, Verdict, judge_gate, metric_of

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def judge(gate, metrics=None, champion=None, **more):
    return judge_gate(gate, metrics or {}, champion=champion, **more)


@given(value=NUMBERS, threshold=NUMBERS, sign=st.sampled_from(sorted(COMPARISONS)))
def test_a_gate_holds_as_the_numbers_compare(value, threshold, sign):
    result = judge(f"m {sign} {threshold!r}", {"m": value})

    assert (result.result == "passed") is COMPARISONS[sign](value, threshold)
    assert (result.value, result.threshold) == (value, threshold)


@given(threshold=NUMBERS, error=st.floats(-0.4, 0.4), sign=st.sampled_from(sorted(COMPARISONS)))
def test_at_the_threshold_whatever_the_floating_error_only_the_signs_with_equality_hold(threshold, error, sign):
    value = threshold + error * SAME * max(1.0, abs(threshold))

    assert (judge(f"m {sign} {threshold!r}", {"m": value}).result == "passed") is sign.endswith("=")


def test_sums_of_floats_are_what_people_think_they_are():
    assert judge("m <= 0.3", {"m": 0.1 + 0.2}).result == "passed"
    assert judge("m > 0.3", {"m": 0.1 + 0.2}).result == "failed"
    assert judge("m == 0.3", {"m": 0.1 + 0.2}).result == "passed"


@given(value=st.sampled_from([math.nan, math.inf, -math.inf, None]), sign=st.sampled_from(sorted(COMPARISONS)))
def test_what_is_no_number_is_an_error_and_never_false(value, sign):
    with pytest.raises(ExpressionError, match="'m' is"):
        judge(f"other > 0 or m {sign} 1", {"m": value, "other": 1.0})


@pytest.mark.parametrize("name", ["acuracy", "gain.accuracy.lowest", "worst.recall", "champion.f2"])
def test_a_name_that_is_missing_is_named(name):
    with pytest.raises(ExpressionError, match=f"'{name}' is missing"):
        judge(f"accuracy > 0 or {name} > 0", {"accuracy": 1.0, "gain": {"accuracy": {"low": 0}}}, {"accuracy": 1.0})


@given(name=st.sampled_from(["accuracy", "mae", "log_loss", "r2"]), value=NUMBERS, other=NUMBERS)
def test_a_gain_is_above_zero_when_the_better_value_is_ours(name, value, other):
    better = value < other if name in LOWER_IS_BETTER else value > other

    assert (gain(name, value, other) > 0) is better


@pytest.mark.parametrize("gate", ["accuracy >= champion.accuracy", "gain.accuracy.low > -0.01 and accuracy > 0"])
def test_without_a_champion_what_names_it_does_not_apply(gate):
    assert judge(gate, {"accuracy": 1.0}).result == "not_applicable"


@pytest.mark.parametrize(
    ("gate", "value", "threshold", "baseline", "where", "n"),
    [
        ("recall >= 0.8", 0.9, 0.8, 0.7, "", 100),
        ("0.8 <= recall", 0.9, 0.8, 0.7, "", 100),
        ("recall > champion.recall - 0.05", 0.9, 0.65, 0.7, "", 100),
        ("champion.recall < recall", 0.9, 0.7, 0.7, "", 100),
        ("gain.recall.low > -0.01", 0.1, -0.01, 0.7, "", 100),
        ("worst.recall >= parameters.least", 0.6, 0.5, 0.7, "age > 70", 31),
        ("recall >= 0.8 and recall <= 1", None, None, None, "", 100),
    ],
)
def test_a_result_has_value_threshold_baseline_slice_and_rows(gate, value, threshold, baseline, where, n):
    metrics = {"recall": 0.9, "gain": {"recall": {"low": 0.1}}, "worst": {"recall": 0.6}}

    result = judge(
        gate, metrics, {"recall": 0.7}, parameters={"least": 0.5}, rows=100, slices={"worst.recall": ("age > 70", 31)}
    )

    assert result.result == "passed"
    assert result.threshold == (None if threshold is None else pytest.approx(threshold))
    assert (result.value, result.slice, result.n) == (value, where, n)
    assert result.baseline == (0.7 if baseline is None else baseline)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("recall", "recall"), ("champion.recall", "recall"), ("gain.recall.p_value", "recall"),
        ("worst.recall", "recall"), ("parameters.recall", ""),
    ],
)  # fmt: skip
def test_every_name_is_about_a_metric(name, metric):
    assert metric_of(name) == metric


def test_a_verdict_of_an_older_record_is_read():
    old = {"status": "passed", "rules": [{"rule": "f1 > 0", "result": "passed", "why": "it is", "values": {"f1": 1.0}}]}

    verdict = Verdict.from_dict(old)

    assert verdict.rules[0].threshold is None
    assert Verdict.from_dict(verdict.to_dict()) == verdict


def test_the_table_shows_the_columns_that_rules_have():
    rule = judge("recall >= 0.8", {"recall": 0.81234567}, {"recall": 0.7}, rows=1200)
    plain = RuleResult(rule="no nulls", result="passed", why="a | b")

    both, alone = Verdict.of([rule, plain]).to_markdown(), Verdict.of([plain]).to_markdown()

    assert "| rule | result | value | threshold | champion | rows | why |" in both
    assert "| `recall >= 0.8` | passed | 0.8123 | 0.8 | 0.7 | 1,200 |" in both
    assert "| rule | result | why |" in alone
    assert "a \\| b" in alone
