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


def join(tables):
    return tables["left_side"].to_pandas().merge(tables["parts_train"].to_pandas(), on="id")


def test_a_function_gets_many_tables_by_name_and_may_give_a_frame(bench):
    left, right = bench.csv("l.csv", "id,a\n1,x\n2,y\n"), bench.csv("r.csv", "id,b\n2,z\n")
    spec = TransformSpec(data=["left_side", "parts.train"], python=f"{__name__}:join")
    context = bench.context("t", "transform", allowed_imports=(__name__,))

    outcome = run_phase(spec, {"data": [left, right]}, context).outcome

    assert read_frame(bench.store, outcome.outputs["data"]).to_dict("records") == [{"id": 2, "a": "y", "b": "z"}]


@pytest.mark.parametrize("end", [";", " -- the rest", "\n"])
def test_sql_may_end_as_people_end_it(bench, end):
    data = bench.csv("n.csv", "a\n1\n2\n")

    made = bench.run(TransformSpec(data="n", sql=f"SELECT a FROM n WHERE a > 1{end}"), {"data": data})

    assert made.outputs["data"].rows == 1


def test_no_rows_are_an_error(bench):
    with pytest.raises(DataError, match="gave no rows"):
        bench.run(TransformSpec(data="n", sql="SELECT a FROM n WHERE a > 9"), {"data": bench.csv("n.csv", "a\n1\n")})
