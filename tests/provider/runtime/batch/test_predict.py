"""Batch scoring: what is written, that it is what a server answers, and what is refused."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec import PredictSpec
from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.serving.model import load_served
from mlops_provider.serving.payload import Rows
from mlops_provider.store.models import load_model
from mlops_provider.store.services import ServedVersion

FOREST = "sklearn.ensemble.HistGradientBoostingClassifier"


def online(scoring, frame):
    """Give what a server answers: the rows go through JSON."""
    model = ModelRef(uri=scoring.model.uri, digest=scoring.model.digest, version="1")
    served = load_served(scoring.bench.store, ServedVersion(version="1", model=model))
    names = served.signature.names()
    rows = json.loads(frame[names].to_json(orient="values", date_format="iso", double_precision=15))
    cells = [[None if value is None else value for value in row] for row in rows]
    return served.predict(Rows(names, cells))


@pytest.mark.parametrize("estimator", [FOREST, "sklearn.linear_model.LogisticRegression"])
def test_scores_are_those_of_the_model_server_bit_for_bit(scoring, estimator):
    scoring = scoring(estimator=estimator)

    found = scoring.frame(scoring.run(probabilities=True, partitions={"rows": 1000}))

    answer = online(scoring, scoring.data())
    assert (found["prediction"].to_numpy() == answer.predictions).all()
    assert (found[["probability_0", "probability_1"]].to_numpy() == answer.probabilities).all()
    assert (found["probability"].to_numpy() == answer.probabilities.max(axis=1)).all()


def test_text_truths_and_gaps_are_scored_as_the_server_scores_them(scoring, bench, days):
    from mlops_dag_factory.spec import TrainSpec

    scoring = scoring()
    scoring.rows = scoring.dataset(days)
    spec = TrainSpec(data="d", target="target", estimator=FOREST, exclude=["id", "day", "at"])
    scoring.model = bench.run(spec, {"data": scoring.rows}).outputs["model"]

    found = scoring.frame(scoring.run(keep="id", partitions="day", probabilities=True))

    answer = online(scoring, days)
    assert list(found["id"]) == list(range(90))
    assert list(found["prediction"]) == list(answer.predictions)
    assert (found[["probability_deep", "probability_shallow"]].to_numpy() == answer.probabilities).all()


def test_partitions_give_the_rows_in_their_order_with_what_is_kept(scoring):
    scoring = scoring(estimator=FOREST)

    outcome = scoring.run(keep=["mean radius"])

    found, data = scoring.frame(outcome), scoring.data()
    expected = load_model(scoring.bench.store, scoring.model).predict(data)
    assert list(found) == ["mean radius", "prediction", "probability", "model_version", "model_digest"]
    assert (found["mean radius"] == data["mean radius"]).all()
    assert (found["prediction"] == expected).all()
    assert set(found["model_digest"]) == {scoring.model.digest}
    assert outcome.metrics == {"rows": 171, "partitions": 4, "scored": 4, "reused": 0}
    assert "171 rows scored" in outcome.summary


def test_numbers_and_several_labels_are_scored(scoring, bench):
    from mlops_dag_factory.spec import TrainSpec

    tall = scoring("sklearn:diabetes", estimator="sklearn.linear_model.Ridge")
    data = tall.data()
    frame = data.assign(high=(data["bmi"] > 0).astype(int), old=(data["age"] > 0).astype(int)).drop(columns="target")
    rows = tall.dataset(frame)
    spec = TrainSpec(data="d", target=["high", "old"], estimator="sklearn.tree.DecisionTreeClassifier")
    labels = bench.run(spec, {"data": rows}).outputs["model"]

    numbers = tall.frame(tall.run())
    several = tall.frame(tall.run(model=labels, data=rows, probabilities=True))

    assert np.allclose(numbers["prediction"], load_model(bench.store, tall.model).predict(data), rtol=1e-12)
    assert (several["prediction_high"] == frame["high"]).all()
    assert set(several["probability_old"]) <= {0.0, 1.0}


def test_a_second_run_scores_nothing_again_and_gives_the_same(scoring):
    scoring = scoring()
    first = scoring.run()

    second = scoring.run(run_id="run-2")

    assert second.outputs["data"] == first.outputs["data"]
    assert (second.metrics["scored"], second.metrics["reused"]) == (0, 4)


def test_of_data_that_has_grown_only_the_new_and_changed_days_are_scored(scoring, days):
    scoring = scoring("sklearn:iris")
    flowers = pd.concat([scoring.data()] * 2, ignore_index=True).assign(day=days["day"])
    early = flowers[flowers["day"] < "2026-01-03"]
    changed = flowers.copy()
    changed.loc[0, changed.columns[0]] += 1
    scoring.run(data=scoring.dataset(early, "early.parquet"), partitions="day")

    grown = scoring.run(data=scoring.dataset(flowers), partitions="day", run_id="run-2")
    mended = scoring.run(data=scoring.dataset(changed, "changed.parquet"), partitions="day", run_id="run-3")

    assert (grown.metrics["reused"], grown.metrics["scored"]) == (2, 1)
    assert (mended.metrics["reused"], mended.metrics["scored"]) == (2, 1)
    assert grown.metrics["rows"] == 90


def test_another_model_or_other_columns_are_other_work(scoring):
    scoring = scoring()
    scoring.run()
    version = scoring.bench.version(scoring.model)

    assert scoring.run(model=version, run_id="run-2").metrics["scored"] == 4
    assert scoring.run(keep="mean radius", run_id="run-3").metrics["scored"] == 4


def test_a_scored_partition_that_was_damaged_is_scored_again(scoring):
    scoring = scoring()
    first = scoring.run()
    place = scoring.bench.store.key(first.details["partitions"]["part-00001"])
    scoring.bench.store.files.path(f"{place}/part-00000.parquet").write_bytes(b"PAR1")

    second = scoring.run(run_id="run-2")

    assert second.metrics["scored"] == 1
    assert scoring.frame(second).shape == (171, 4)


def test_the_champion_of_a_name_scores(scoring, bench):
    scoring = scoring()
    version = bench.version(scoring.model)
    spec = PredictSpec(champion="flow", data="d")
    with pytest.raises(ConfigError, match="'flow' has no champion yet"):
        bench.run(spec, {"data": scoring.rows})
    tracking.set_alias(bench.tracking_uri, "flow", "champion", version.version)

    outcome = bench.run(spec, {"data": scoring.rows}, run_id="run-2")

    assert set(scoring.frame(outcome)["model_version"]) == {"1"}


def test_a_destination_gets_a_file_for_each_partition_and_is_never_overwritten(scoring, days, bench):
    scoring = scoring("sklearn:iris")
    flowers = pd.concat([scoring.data()] * 2, ignore_index=True).assign(day=days["day"])
    rows = scoring.dataset(flowers)

    first = scoring.run(data=rows, partitions="day", destination="scores")
    scoring.run(data=rows, partitions="day", destination="scores", run_id="run-2")

    folder = bench.root / "scores"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    parts = {f"day=2026-01-0{day}/part-00000.parquet" for day in (1, 2, 3)}
    assert files == {*parts, "_mlops.json", "_SUCCESS"}
    read = duckdb.sql(f"SELECT day, prediction FROM '{folder}/*/*.parquet' ORDER BY ALL").df()
    expected = scoring.frame(first)[["day", "prediction"]].sort_values(["day", "prediction"])
    assert read.astype(str).to_numpy().tolist() == expected.astype(str).to_numpy().tolist()
    with pytest.raises(ConfigError, match="holds predictions of other data or another model"):
        scoring.run(destination="scores", run_id="run-3")
    (bench.root / "mine").mkdir()
    (bench.root / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(ConfigError, match=r"has files already: notes\.txt"):
        scoring.run(destination="mine", run_id="run-4")
    with pytest.raises(ConfigError, match="lies in the store"):
        scoring.run(destination=f"{bench.store.url}/scores", run_id="run-5")


def test_a_destination_on_s3_gets_the_same_files(scoring, bucket):
    scoring = scoring("sklearn:iris")

    outcome = scoring.run(destination=f"{bucket}/scores/monday")

    import fsspec

    files = fsspec.filesystem("s3").find("lake/scores/monday")
    assert files == [f"lake/scores/monday/{name}" for name in ("_SUCCESS", "_mlops.json", "part-00000.parquet")]
    found = pd.read_parquet(f"{bucket}/scores/monday/part-00000.parquet")
    assert list(found["prediction"]) == list(scoring.frame(outcome)["prediction"])


def test_a_partition_that_fails_is_named_and_the_others_stay(scoring, days):
    scoring = scoring("sklearn:iris")
    flowers = pd.concat([scoring.data()] * 2, ignore_index=True).assign(day=days["day"])
    broken = flowers.copy()
    broken.loc[35, "sepal length (cm)"] = np.inf

    with pytest.raises(
        DataError, match=r"1 of 3 partitions .* day=2026-01-02: .*'sepal length \(cm\)' is infinite in row 5"
    ):
        scoring.run(data=scoring.dataset(broken, "broken.parquet"), partitions="day")
    mended = scoring.run(data=scoring.dataset(flowers), partitions="day", run_id="run-2")

    assert (mended.metrics["scored"], mended.metrics["reused"]) == (1, 2)


@pytest.mark.parametrize(
    ("change", "fields", "said"),
    [
        (lambda rows: rows.drop(columns="petal width (cm)"), {}, r"the data has no column 'petal width \(cm\)'"),
        (lambda rows: rows, {"keep": "customer"}, "the data has no column 'customer'"),
        (
            lambda rows: rows.assign(**{"petal width (cm)": "wide"}),
            {},
            r"column 'petal width \(cm\)' is VARCHAR, but the model learned it as float",
        ),
        (lambda rows: rows.assign(prediction=1), {"keep": "prediction"}, "named as one that is written: prediction"),
        (lambda rows: rows, {"partitions": {"rows": 1}, "many": True}, "at most 1,000 are kept"),
        (lambda rows: rows, {"partitions": "month"}, "the data has no column 'month'"),
    ],
)
def test_what_cannot_be_scored_is_said(scoring, change, fields, said):
    scoring = scoring("sklearn:iris")
    rows = change(scoring.data())
    if fields.pop("many", False):
        rows = pd.concat([rows] * 30, ignore_index=True)

    with pytest.raises((DataError, ConfigError), match=said):
        scoring.run(data=scoring.dataset(rows), **fields)


def test_probabilities_of_a_model_without_any_are_refused(scoring):
    scoring = scoring("sklearn:diabetes", estimator="sklearn.linear_model.Ridge")

    with pytest.raises(ConfigError, match="the model gives no probabilities"):
        scoring.run(probabilities=True)


def test_a_window_has_the_columns_of_the_prediction_log(scoring, days):
    scoring = scoring("sklearn:iris")
    flowers = pd.concat([scoring.data()] * 2, ignore_index=True).assign(at=days["at"])

    found = scoring.frame(scoring.run(data=scoring.dataset(flowers), window=True, timestamp="at"))

    assert (found["x_petal width (cm)"] == flowers["petal width (cm)"]).all()
    assert list(found["ts"].dt.tz_localize(None)) == list(flowers["at"])
    assert set(found["status"]) == {200}
    assert len(found[["request_id", "row"]].drop_duplicates()) == 90
