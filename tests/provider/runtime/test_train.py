"""Train: mixed columns, clear refusals."""

from __future__ import annotations

import pytest
from sklearn.tree import DecisionTreeClassifier

from mlops_dag_factory.spec import TrainSpec, TransformSpec
from mlops_provider.exceptions import ConfigError, DataError, ImportNotAllowedError, ImportNotFoundError
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.table import read_frame
from mlops_provider.serving.model import load_served
from mlops_provider.store.models import load_model
from mlops_provider.store.services import ServedVersion

MIXED = "size,color,wet,y\n" + "".join(
    f"{i if i % 7 else ''},{'red' if i % 2 else 'blue'},{'true' if i % 3 else 'false'},{int(i % 2 == 0)}\n"
    for i in range(60)
)


def train(bench, data, **fields):
    spec = {"data": "d", "target": "y", "estimator": "sklearn.linear_model.LogisticRegression", **fields}
    return bench.run(TrainSpec(**spec), {"data": data})


def test_numbers_strings_booleans_and_missing_values_are_learned_from(bench):
    data = bench.csv("mixed.csv", MIXED)

    model = load_model(bench.store, train(bench, data).outputs["model"])

    kinds = {feature.name: feature.type for feature in model.signature.features}
    assert kinds == {"size": "float", "color": "string", "wet": "boolean"}
    frame = read_frame(bench.store, data)
    assert (model.predict(frame) == frame["y"]).all()
    unseen = frame.assign(color="green")
    assert len(model.predict(unseen)) == 60


def test_parameters_and_seed_reach_the_estimator(bench):
    outcome = train(
        bench,
        bench.csv("mixed.csv", MIXED),
        estimator="sklearn.ensemble.RandomForestClassifier",
        parameters={"n_estimators": 7},
        seed=11,
    )

    forest = load_model(bench.store, outcome.outputs["model"]).pipeline.steps[-1][1]
    assert (forest.n_estimators, forest.random_state) == (7, 11)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"target": "z"}, DataError, "no column 'z'"),
        ({"target": "same"}, DataError, "constant"),
        ({"target": "holes"}, DataError, "missing in 1 of 4 rows"),
        ({"features": ["y", "x"]}, ConfigError, "among the features"),
        ({"features": ["nope"]}, DataError, "no column 'nope'"),
        ({"estimator": "sklearn.linear_model.Logistic"}, ImportNotFoundError, "has no 'Logistic'"),
        ({"estimator": "sklearn.nothing.Here"}, ImportNotFoundError, "cannot be imported"),
        ({"estimator": "os.path.join"}, ImportNotAllowedError, "may not be imported"),
        ({"estimator": "sklearn.metrics.accuracy_score"}, ConfigError, "is not an estimator"),
        ({"parameters": {"depth": 3}}, ConfigError, "no parameter depth"),
        ({"parameters": {"C": -1}}, DataError, "cannot be fitted"),
        ({"estimator": "sklearn.linear_model.LinearRegression", "target": "word"}, DataError, "regressor"),
        ({"estimator": "sklearn.preprocessing.StandardScaler"}, ConfigError, "neither a classifier nor a regressor"),
        ({"estimator": "sklearn.cluster.KMeans"}, ConfigError, "neither a classifier nor a regressor"),
        ({"estimator": "sklearn.ensemble.VotingClassifier"}, ConfigError, "cannot be made: .*'estimators'"),
    ],
)
def test_what_cannot_be_learned_is_refused_with_its_reason(bench, fields, error, message):
    data = bench.csv("small.csv", "x,y,same,holes,word\n1,0,5,1,a\n2,1,5,,b\n3,0,5,0,a\n4,1,5,1,b\n")

    with pytest.raises(error, match=message):
        train(bench, data, **fields)
    assert bench.store.files.list("flow/models") == []


def derived(bench, sql):
    rows = bench.csv("rows.csv", "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    return bench.run(TransformSpec(data="rows", sql=sql), {"data": rows}).outputs["data"]


def test_decimals_of_a_query_are_numbers(bench):
    data = derived(bench, "SELECT x * 1.5 AS price, y * 1.0 AS y FROM data")

    signature = load_model(bench.store, train(bench, data).outputs["model"]).signature

    assert signature.features[0].type == "float"
    assert signature.classes == (0.0, 1.0)


def test_missing_texts_get_the_most_frequent_value(bench):
    data = derived(bench, "SELECT CASE WHEN x % 5 = 0 THEN NULL WHEN x % 2 = 0 THEN 'a' ELSE 'b' END AS s, y FROM data")

    model = load_model(bench.store, train(bench, data).outputs["model"])

    encoder = model.pipeline.named_steps["preprocess"].named_transformers_["strings"].named_steps["encode"]
    assert encoder.categories_[0].tolist() == ["a", "b"]


def test_booleans_stay_booleans_when_some_are_missing(bench):
    data = derived(bench, "SELECT CASE WHEN x % 3 = 0 THEN NULL ELSE x % 2 = 0 END AS wet, y FROM data")

    ref = train(bench, data).outputs["model"]

    served = load_served(bench.store, ServedVersion(version="1", model=ref))  # predicts the golden rows again
    assert served.signature.features[0].type == "boolean"
    assert served.signature.features[0].categories == (False, True)


@pytest.mark.parametrize("value", ["[x, x]", "{'a': x}", "'ab'::BLOB", "TIME '10:00'"])
def test_columns_that_no_model_takes_are_named(bench, value):
    with pytest.raises(DataError, match=r"column 'odd' holds .* which no model takes"):
        train(bench, derived(bench, f"SELECT x, {value} AS odd, y FROM data"))


def test_dates_are_not_learned_as_words(bench):
    with pytest.raises(DataError, match="columns day are timestamps"):
        train(bench, derived(bench, "SELECT DATE '2024-01-01' + x::INT AS day, y FROM data"))


def test_an_identifier_as_a_feature_does_not_take_all_memory(bench):
    data = derived(bench, "SELECT 'id' || (x * 100 + n) AS id, y FROM data, range(100) r(n)")

    model = load_model(bench.store, train(bench, data, estimator="sklearn.naive_bayes.GaussianNB").outputs["model"])

    encoded = model.pipeline.named_steps["preprocess"].transform(read_frame(bench.store, data)[["id"]])
    assert encoded.shape == (4000, 256)


def fit_tree(table, target, features, parameters, seed):
    frame = table.to_pandas()
    return DecisionTreeClassifier(**parameters, random_state=seed).fit(frame[features], frame[target])


def test_a_function_fits_and_its_model_is_one_like_any_other(bench):
    data = bench.dataset("sklearn:iris")
    spec = TrainSpec(data="d", target="target", python=f"{__name__}:fit_tree", parameters={"max_depth": 2}, seed=5)
    context = bench.context("t", "train", allowed_imports=(__name__,))

    model = load_model(bench.store, run_phase(spec, {"data": [data]}, context).outcome.outputs["model"])

    assert (model.pipeline.max_depth, model.pipeline.random_state) == (2, 5)
    assert model.signature.classes == (0, 1, 2)
    assert model.lineage["data"] == data.digest
