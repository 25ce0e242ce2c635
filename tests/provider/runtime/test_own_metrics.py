"""Metrics of the workflow's own: measured as they say, ended when they do not end, silent about secrets."""

from __future__ import annotations

import logging
import os
import time
from datetime import timedelta

import numpy as np
import pytest

from mlops_dag_factory.spec import EvaluateSpec
from mlops_provider.exceptions import ConfigError, DataError, ExpressionError, FunctionError
from mlops_provider.runtime.champion import Champion
from mlops_provider.runtime.outside import outside_of
from mlops_provider.runtime.own_metrics.rows import rows_of
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model

MODULE = """
import ctypes, os, sys, time
import pandas as pd
import pyarrow as pa

def missed(rows: pd.DataFrame) -> float:
    return float(((rows["truth"] == 1) & (rows["prediction"] == 0)).sum())

def mean_probability(rows):
    assert isinstance(rows, pa.Table)
    return sum(rows["probability"].to_pylist()) / rows.num_rows

def prints(rows: pd.DataFrame):
    print("the password is", "hunter2-secret")
    print("so is", os.environ["MY_API_TOKEN"], file=sys.stderr)
    return 1.0

def raises(rows: pd.DataFrame):
    raise ValueError("no connection with hunter2-secret")

def text(rows: pd.DataFrame):
    return "0.9"

def nothing(rows: pd.DataFrame):
    pass

def nan(rows: pd.DataFrame):
    return float("nan")

def sleeps(rows: pd.DataFrame):
    time.sleep(600)

def stuck_in_c(rows: pd.DataFrame):
    ctypes.PyDLL(None).sleep(600)  # holds the interpreter's lock

def dies(rows: pd.DataFrame):
    os._exit(3)

def exits(rows: pd.DataFrame):
    sys.exit(2)

def slow_draws(rows: pd.DataFrame):
    time.sleep(1 if rows.index.size != rows["mean radius"].nunique() else 0)
    return 1.0
"""


@pytest.fixture
def judged(bench, monkeypatch):
    """Give a function that evaluates a model of tumours with metrics of its own."""
    (bench.root / "flow_metrics.py").write_text(MODULE)
    monkeypatch.syspath_prepend(bench.root)
    monkeypatch.setenv("MY_API_TOKEN", "token-of-mine")
    bench.tracking_uri = ""
    context = {"allowed_imports": ("sklearn.", "flow_metrics.")}
    model, _, test = bench.model("sklearn:breast_cancer", features=["mean radius", "mean texture"])

    def evaluate(*metrics, gates=(), **more):
        spec = EvaluateSpec(model="m", data="d", metrics=list(metrics), gates=list(gates))
        return bench.run(spec, {"model": model, "data": test}, **{**context, **more})

    evaluate.model, evaluate.data, evaluate.bench = model, test, bench
    return evaluate


def function(name, **more):
    return {"name": "mine", "python": f"flow_metrics:{name}", **more}


def truth_and_prediction(judged):
    frame = read_frame(judged.bench.store, judged.data)
    return frame["target"].to_numpy(), load_model(judged.bench.store, judged.model).predict(frame)


def test_a_function_and_sql_are_measured_with_intervals_and_judged(judged):
    profit = "SELECT sum(CASE WHEN prediction = truth THEN 10 ELSE -50 END) FROM predictions -- in euros"

    outcome = judged(
        function("missed", lower_is_better=True), {"name": "profit", "sql": profit}, "accuracy",
        gates=["mine <= 30", "profit > 0 and accuracy > 0.5"],
    )  # fmt: skip

    truth, predicted = truth_and_prediction(judged)
    assert outcome.metrics["mine"] == ((truth == 1) & (predicted == 0)).sum()
    assert outcome.metrics["profit"] == np.where(truth == predicted, 10, -50).sum()
    assert outcome.verdict.status == "passed"
    for name in ("mine", "profit"):
        low, high = outcome.details["intervals"][name]
        assert low < outcome.metrics[name] < high


def test_a_function_gets_arrow_where_it_does_not_ask_for_pandas(judged):
    outcome = judged(function("mean_probability"))

    frame = read_frame(judged.bench.store, judged.data)
    expected = load_model(judged.bench.store, judged.model).probabilities(frame)[:, 1].mean()
    assert outcome.metrics["mine"] == pytest.approx(expected)


def test_the_champions_value_the_gain_and_its_interval_are_there_too(judged, monkeypatch):
    from mlops_provider.runtime import evaluate as phase
    from mlops_provider.runtime.answers import Answers

    store = judged.bench.store
    weak, _, _ = judged.bench.model("sklearn:breast_cancer", features=["mean smoothness"])
    rival = Answers.of(load_model(store, weak), read_frame(store, judged.data))
    monkeypatch.setattr(phase, "ask_champion", lambda *_: Champion(rival, "the champion is version 1"))

    outcome = judged(function("missed", lower_is_better=True), gates=["gain.mine.low > -100"])

    gain = outcome.details["gain"]["mine"]
    assert outcome.details["champion"]["mine"] == ((rival.truth == 1) & (rival.predicted == 0)).sum()
    assert gain["value"] == outcome.details["champion"]["mine"] - outcome.metrics["mine"]
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert gain["test"] == "paired bootstrap"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("text", DataError, r"'mine' \(flow_metrics:text\) gave str, not a number"),
        ("nothing", DataError, "gave NULL or None, not a number"),
        ("nan", DataError, "gave nan, which is not finite"),
        ("dies", FunctionError, "ended its process with exit code 3"),
        ("exits", FunctionError, r"ended the process with sys\.exit\(2\)"),
        ("missing", Exception, "module 'flow_metrics' has no 'missing'"),
    ],
)
def test_what_a_function_does_wrong_is_said(judged, name, error, message):
    with pytest.raises(error, match=message):
        judged(function(name))


@pytest.mark.parametrize("name", ["sleeps", "stuck_in_c"])
def test_a_function_that_never_ends_is_ended(judged, name):
    started = time.monotonic()

    with pytest.raises(ConfigError, match=rf"'mine' \(flow_metrics:{name}\) was ended after 0:00:08"):
        judged(function(name, timeout=timedelta(seconds=8)))
    assert time.monotonic() - started < 300  # it would sleep for 600 seconds


def test_secrets_are_not_in_what_it_prints_or_raises(judged, caplog):
    caplog.set_level(logging.INFO)
    connections = {"crm": "postgresql://me:hunter2-secret@db/crm"}

    judged(function("prints"), connections=connections)
    with pytest.raises(FunctionError) as caught:
        judged(function("raises"), connections=connections)

    assert "the password is ***\nso is ***" in caplog.text
    assert "ValueError: no connection with ***" in str(caught.value)
    assert "flow_metrics.py" in str(caught.value)
    for text in (caplog.text, str(caught.value)):
        assert "hunter2-secret" not in text
        assert os.environ["MY_API_TOKEN"] not in text


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELECT avg(profit) FROM predictions", ConfigError, "the SQL failed: .*profit"),
        ("SELECT 1 UNION ALL SELECT 2", DataError, "gave more rows than one"),
        ("SELECT truth, 1 FROM predictions LIMIT 1", DataError, "gave 2 columns"),
        ("SELECT 'x'", DataError, "gave str, not a number"),
        ("SELECT count(*) FROM read_csv('/etc/passwd')", ConfigError, "the SQL failed: .*disabled"),
        ("SELECT count(*) FROM read_text('https://example.org')", ConfigError, "the SQL failed"),
    ],
)
def test_sql_gives_one_number_and_reads_nothing_else(judged, sql, error, message):
    with pytest.raises(error, match=message):
        judged({"name": "value", "sql": sql})


def test_a_function_outside_the_allowed_prefixes_does_not_run(judged):
    with pytest.raises(ConfigError, match="'flow_metrics:missed' may not be imported"):
        judged(function("missed"), allowed_imports=("sklearn.",))


def test_names_that_mean_something_else_are_refused(judged):
    with pytest.raises(ConfigError, match="the metric 'accuracy' is known already"):
        judged(function("missed") | {"name": "accuracy"})
    with pytest.raises(ExpressionError, match=r"'worst\.mine' is not measured"):
        judged(function("missed"), gates=["worst.mine > 0"])
    with pytest.raises(ValueError, match="'gain' is no name for a metric"):
        EvaluateSpec(model="m", data="d", metrics=[function("missed") | {"name": "gain"}])


def test_draws_that_take_too_long_leave_the_value(judged):
    outcome = judged(function("slow_draws", timeout=timedelta(seconds=25)))

    assert outcome.metrics["mine"] == 1
    assert outcome.details["notes"] == {"mine": "its draws took longer than 0:00:25"}
    assert "mine" not in outcome.details["intervals"]


def test_a_column_of_the_data_is_never_hidden_by_ours(judged):
    from mlops_provider.runtime.answers import Answers

    frame = read_frame(judged.bench.store, judged.data)
    answers = Answers.of(load_model(judged.bench.store, judged.model), frame)

    with pytest.raises(ConfigError, match="has a column 'prediction' itself"):
        rows_of(frame.assign(prediction=1), answers)


def test_the_cache_knows_the_code_of_a_metric(judged):
    context = judged.bench.context("q", "evaluate")
    spec = EvaluateSpec(model="m", data="d", metrics=[function("missed")])
    before = outside_of(spec, context).state
    (judged.bench.root / "flow_metrics.py").write_text(f"{MODULE}\n# changed\n")

    assert outside_of(spec, context).state != before
