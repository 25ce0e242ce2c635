"""Transform: SQL and functions over named inputs."""

from __future__ import annotations

import duckdb  # noqa: TC002 (as above)
import pandas as pd  # noqa: TC002 (the annotations are what is tested)
import polars as pl  # noqa: TC002 (as above)
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlops_dag_factory.spec import TransformSpec, ValidateSpec
from mlops_provider.exceptions import ConfigError, DataError, ImportNotAllowedError
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


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM read_parquet('https://example.com/a.parquet')",
        "SELECT * FROM made_of",
        "SELECT * FROM duckdb_secrets()); SET enable_external_access = true; SELECT * FROM (SELECT 1",
    ],
)
def test_sql_reads_nothing_but_its_inputs(bench, sql):
    with pytest.raises(DataError, match="the SQL failed"):
        bench.run(TransformSpec(data="n", sql=sql), {"data": bench.csv("n.csv", "a\n1\n")})
    with pytest.raises(ConfigError, match="is not valid SQL"):
        bench.run(ValidateSpec(data="n", rules=[{"sql": sql}]), {"data": bench.csv("n.csv", "a\n1\n")})


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


def as_arrow(data: pa.Table):
    return data.slice(1)


def as_pandas(data: pd.DataFrame):
    return data.iloc[1:]


def as_polars(data: pl.DataFrame):
    return data.slice(1)


def as_lazy_polars(data: pl.LazyFrame):
    return data.slice(1)


def as_relation(data: duckdb.DuckDBPyRelation):
    return data.filter("a > 1")


def as_stream(data: pa.RecordBatchReader):
    def batches():
        for batch in data:
            yield batch.filter(pc.field("a") > 1)

    return pa.RecordBatchReader.from_batches(data.schema, batches())


@pytest.mark.parametrize(
    "function", ["as_arrow", "as_pandas", "as_polars", "as_lazy_polars", "as_relation", "as_stream"]
)
def test_a_function_gets_the_form_that_it_asks_for(bench, function):
    data = bench.csv("n.csv", "a,b\n1,x\n2,y\n3,\n")
    spec = TransformSpec(data="data", python=f"{__name__}:{function}")
    context = bench.context("t", "transform", allowed_imports=(__name__,))

    made = run_phase(spec, {"data": [data]}, context).outcome.outputs["data"]

    frame = read_frame(bench.store, made)
    assert frame["a"].tolist() == [2, 3]
    assert frame["b"].isna().tolist() == [False, True]
    assert bench.store.open(made).meta["lineage"]["data"] == {"data": data.digest}


def join_by_name(left: pd.DataFrame, right: pl.DataFrame):
    return left.merge(right.to_pandas(), on="id")


def nothing(data):
    return 7


def test_parameters_named_like_the_inputs_get_them_each_in_its_form(bench):
    left, right = bench.csv("l.csv", "id,a\n1,x\n2,y\n"), bench.csv("r.csv", "id,b\n2,z\n")
    spec = TransformSpec(data=["right", "left"], python=f"{__name__}:join_by_name")
    context = bench.context("t", "transform", allowed_imports=(__name__,))

    outcome = run_phase(spec, {"data": [right, left]}, context).outcome

    assert read_frame(bench.store, outcome.outputs["data"]).to_dict("records") == [{"id": 2, "a": "y", "b": "z"}]


def test_what_is_no_table_is_refused(bench):
    spec = TransformSpec(data="d", python=f"{__name__}:nothing")
    context = bench.context("t", "transform", allowed_imports=(__name__,))

    with pytest.raises(ConfigError, match="returned int"):
        run_phase(spec, {"data": [bench.csv("n.csv", "a\n1\n")]}, context)
