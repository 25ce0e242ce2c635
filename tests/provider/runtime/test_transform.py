"""Transform: SQL and functions over named inputs."""

from __future__ import annotations

import pytest

from mlops_dag_factory.spec import TransformSpec
from mlops_provider.exceptions import DataError, ImportNotAllowedError
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.table import read_frame


def test_sql_sees_its_inputs_by_name(bench):
    left, right = bench.csv("l.csv", "id,a\n1,x\n2,y\n"), bench.csv("r.csv", "id,b\n2,z\n")
    spec = TransformSpec(data=["left_side", "parts.train"], sql="SELECT a, b FROM left_side JOIN parts USING (id)")

    outcome = run_phase(spec, {"data": [left, right]}, bench.context("t", "transform")).outcome

    assert read_frame(bench.store, outcome.outputs["data"]).to_dict("records") == [{"a": "y", "b": "z"}]


def double(table):
    frame = table.to_pandas()
    return frame.assign(a=frame["a"] * 2)


def test_a_function_gets_and_gives_a_table(bench):
    data = bench.csv("n.csv", "a\n1\n2\n")
    spec = TransformSpec(data="n", python=f"{__name__}:double")
    context = bench.context("t", "transform", allowed_imports=(__name__,))

    outcome = run_phase(spec, {"data": [data]}, context).outcome

    assert read_frame(bench.store, outcome.outputs["data"])["a"].tolist() == [2, 4]


def test_functions_outside_the_allowed_prefixes_are_refused(bench):
    with pytest.raises(ImportNotAllowedError):
        bench.run(TransformSpec(data="n", python="os:system"), {"data": bench.csv("n.csv", "a\n1\n")})


def test_broken_sql_is_an_error_of_the_data_phase(bench):
    with pytest.raises(DataError, match="the SQL failed"):
        bench.run(TransformSpec(data="n", sql="SELECT b FROM data"), {"data": bench.csv("n.csv", "a\n1\n")})
