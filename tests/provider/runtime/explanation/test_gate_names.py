"""Names of columns in gates: always something that an expression reads, and never two for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_provider.exceptions import ConfigError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.explanation.gate_names import gate_name, gate_names


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("sex", "sex"),
        ("mean radius (cm)", "mean_radius_cm_"),
        ("od280/od315", "od280_od315"),
        ("2nd", "_2nd"),
        ("class", "class_"),
        ("größe", "größe"),
        ("a.b", "a_b"),
        ("", "_"),
    ],
)
def test_other_characters_become_one_underscore(column, name):
    assert gate_name(column) == name


@settings(deadline=None)
@given(st.text(max_size=30))
def test_a_gate_can_read_every_column(column):
    dotted = f"importance.{gate_name(column)}"

    assert Expression.parse(f"{dotted} > 1").evaluate({dotted: 2}) is True


def test_two_columns_of_one_name_are_an_error():
    assert gate_names(["a b", "c", "a b"]) == {"a b": "a_b", "c": "c"}
    with pytest.raises(ConfigError, match="the columns 'a b' and 'a-b' are both called 'a_b'"):
        gate_names(["a b", "a-b"])
