"""Expressions: what they may say, and that nothing missing passes for false."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.verdicts import Verdict, judge_gate


@pytest.mark.parametrize(
    ("text", "scope", "expected"),
    [
        ("accuracy >= 0.7", {"accuracy": 0.7}, True),
        ("a.b.c > 1 and not x", {"a": {"b": {"c": 2}}, "x": 0}, True),
        ("region in ['north', 'south']", {"region": "west"}, False),
        ("-x ** 2 + 1 < 0", {"x": 2}, True),
        ("1 < x <= 3 or y", {"x": 5, "y": False}, False),
        ("worst.recall > 0.5", {"worst.recall": 0.7}, True),
        ("a.b <= 1 and a.b.low > 1", {"a": {"b": 1, "b.low": 2}}, True),
    ],
)
def test_conditions_over_names_and_numbers(text, scope, expected):
    assert Expression.parse(text).evaluate(scope) is expected


@pytest.mark.parametrize(
    "text",
    [
        "f(1)",
        "a[0]",
        "x +",
        "[i for i in x]",
        "lambda: 1",
        "'a'.__class__.mro",
        "x := 1",
        "__import__('os')",
        "f'{x}'",
        "",
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(ExpressionError):
        Expression.parse(text).evaluate({"a": 1, "x": 1})


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_missing_or_infinite_metric_is_an_error_that_names_it(value):
    with pytest.raises(ExpressionError, match="recall"):
        judge_gate("recall >= 0.5", {"recall": value}, champion=None)
    with pytest.raises(ExpressionError, match="'recall' is missing"):
        judge_gate("recall >= 0.5", {}, champion=None)


def test_a_missing_name_is_an_error_even_where_the_rest_decides():
    with pytest.raises(ExpressionError, match="'b' is missing"):
        Expression.parse("a > 1 or b > 1").evaluate({"a": 2})


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_an_expression_error(text):
    try:
        Expression.parse(text)
    except ExpressionError:
        return


def test_a_gate_on_the_champion_does_not_apply_before_there_is_one():
    rules = [judge_gate("accuracy >= champion.accuracy", {"accuracy": 0.5}, champion=None)]

    assert rules[0].result == "not_applicable"
    assert Verdict.of(rules).status == "vacuous"
    assert Verdict.of([*rules, judge_gate("accuracy >= 0.9", {"accuracy": 0.5}, champion=None)]).status == "blocked"


def test_a_verdict_says_why():
    rule = judge_gate("accuracy >= champion.accuracy", {"accuracy": 0.5}, champion={"accuracy": 0.75})

    assert rule.result == "failed"
    assert rule.why == "accuracy = 0.5, champion.accuracy = 0.75: accuracy >= champion.accuracy does not hold"
