"""Train: mixed columns, clear refusals."""

from __future__ import annotations

import pytest

from mlops_dag_factory.spec import TrainSpec
from mlops_provider.exceptions import ConfigError, DataError, ImportNotAllowedError, ImportNotFoundError
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model

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

    assert {f.name: f.type for f in model.signature.features} == {
        "size": "integer",
        "color": "string",
        "wet": "boolean",
    } or {f.name: f.type for f in model.signature.features} == {"size": "float", "color": "string", "wet": "boolean"}
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
    ],
)
def test_what_cannot_be_learned_is_refused_with_its_reason(bench, fields, error, message):
    data = bench.csv("small.csv", "x,y,same,holes,word\n1,0,5,1,a\n2,1,5,,b\n3,0,5,0,a\n4,1,5,1,b\n")

    with pytest.raises(error, match=message):
        train(bench, data, **fields)
    assert bench.store.files.list("flow/models") == []
