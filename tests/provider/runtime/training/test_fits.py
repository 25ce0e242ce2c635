"""What the keys of a training do, seen on the model that comes out and against scikit-learn by hand."""

from __future__ import annotations

import logging
import random

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import RobustScaler
from sklearn.tree import DecisionTreeClassifier

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.columns.files import read_profiles
from mlops_provider.runtime.table import read_frame
from mlops_provider.runtime.training import progress as progress_module
from mlops_provider.serving.model import load_served
from mlops_provider.store.models import COLUMNS_FILE, PREDICTION_COLUMN
from mlops_provider.store.services import ServedVersion

LIGHTGBM = ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier")
HIST = "sklearn.ensemble.HistGradientBoostingClassifier"
LOGISTIC = {"estimator": "sklearn.linear_model.LogisticRegression", "parameters": {"max_iter": 5000}}


def by_hand():
    return load_breast_cancer(return_X_y=True, as_frame=True)


def test_boosted_trees_see_the_rows_as_they_are(gym, tumours):
    model = gym.fit(tumours, estimator=HIST, parameters={"max_iter": 10}, seed=3)

    inputs, target = by_hand()
    expected = HistGradientBoostingClassifier(max_iter=10, random_state=3).fit(inputs, target)
    assert [name for name, _ in model.pipeline.steps] == ["estimator"]
    assert (model.probabilities(inputs) == expected.predict_proba(inputs)).all()


def test_declared_steps_replace_the_automatic_ones(gym):
    data = gym.sql(
        """SELECT "mean radius" AS r, "mean area" AS a, "mean texture" AS t, 'x' AS gone,
           CASE WHEN "mean area" > 600 THEN 'big' ELSE 'small' END AS s, target FROM data"""
    )
    preprocess = {
        "numeric": [{"transformer": "sklearn.preprocessing.RobustScaler", "parameters": {"with_centering": False}}],
        "categorical": "sklearn.preprocessing.OrdinalEncoder",
        "columns": {"t": "keep", "gone": "drop", "a": ["sklearn.preprocessing.MinMaxScaler"]},
    }

    model = gym.fit(data, **LOGISTIC, preprocess=preprocess)

    frame = read_frame(gym.bench.store, data)
    seen = model.pipeline.named_steps["preprocess"].transform(frame[model.signature.names()])
    assert model.signature.names() == ["r", "a", "t", "s"]
    assert seen[:, 0] == pytest.approx(RobustScaler(with_centering=False).fit_transform(frame[["r"]])[:, 0])
    assert set(seen[:, 1]) == {0.0, 1.0}
    assert (seen[:, 2].min(), seen[:, 2].max()) == pytest.approx((0.0, 1.0))
    assert (seen[:, 3] == frame["t"]).all()
    assert load_served(gym.store, ServedVersion(version="1", model=model.ref))


def test_numbers_alone_keep_the_servers_quick_way(gym, tumours):
    model = gym.fit(tumours, **LOGISTIC, preprocess={"numeric": "sklearn.preprocessing.RobustScaler"})

    assert load_served(gym.store, ServedVersion(version="1", model=model.ref))._direct is not None


def test_class_weights_go_to_the_parameter_and_labels_are_text_in_the_file(gym, tumours):
    model = gym.fit(tumours, **LOGISTIC, class_weight={"0": 5, "1": 1}, preprocess="none")

    inputs, target = by_hand()
    expected = LogisticRegression(max_iter=5000, class_weight={0: 5, 1: 1}, random_state=0).fit(inputs, target)
    assert model.probabilities(inputs) == pytest.approx(expected.predict_proba(inputs))


def test_class_weights_become_weights_of_rows_where_there_is_no_parameter(gym):
    data = gym.sql("SELECT * REPLACE (target = 1 AS target) FROM data")
    model = gym.fit(
        data,
        estimator="sklearn.ensemble.GradientBoostingClassifier",
        parameters={"n_estimators": 5},
        class_weight={"true": 1, "false": 4},
    )

    plain = gym.fit(data, estimator="sklearn.ensemble.GradientBoostingClassifier", parameters={"n_estimators": 5})
    inputs, _ = by_hand()
    assert model.probabilities(inputs)[:, 0].mean() > plain.probabilities(inputs)[:, 0].mean()


def test_a_row_of_weight_zero_is_not_learned_from(gym):
    data = gym.sql("""SELECT *, CASE WHEN "mean area" > 600 THEN 0 ELSE 2.5 END AS w FROM data""")

    model = gym.fit(data, estimator="sklearn.tree.DecisionTreeClassifier", sample_weight="w")

    inputs, target = by_hand()
    small = inputs["mean area"] <= 600
    expected = DecisionTreeClassifier(random_state=0).fit(inputs[small], target[small])
    assert "w" not in model.signature.names()
    assert (model.predict(inputs) == expected.predict(inputs)).all()


def test_an_estimator_that_takes_no_weights_is_refused(gym, tumours):
    with pytest.raises(ConfigError, match="KNeighborsClassifier' takes no weights of rows"):
        gym.train(tumours, estimator="sklearn.neighbors.KNeighborsClassifier", class_weight="balanced")


@pytest.mark.parametrize(
    ("estimator", "many", "rounds"),
    [
        (HIST, "max_iter", "n_iter_"),
        ("sklearn.neural_network.MLPClassifier", "max_iter", "n_iter_"),
        ("sklearn.ensemble.GradientBoostingClassifier", "n_estimators", "n_estimators_"),
        ("sklearn.linear_model.SGDClassifier", "max_iter", "n_iter_"),
        ("lightgbm.LGBMClassifier", "n_estimators", "best_iteration_"),
    ],
)
def test_a_training_ends_when_it_gets_no_better(gym, tumours, estimator, many, rounds):
    gym.types = LIGHTGBM

    fitted = gym.estimator(
        tumours, estimator=estimator, parameters={many: 400}, early_stopping={"rounds": 3, "share": 0.2}
    )

    assert 0 < getattr(fitted, rounds) < 400


@pytest.mark.parametrize("estimator", [HIST, "lightgbm.LGBMClassifier"])
def test_validation_rows_judge_the_rounds(gym, tumours, estimator):
    gym.types = LIGHTGBM
    wrong = gym.sql("SELECT * REPLACE (1 - target AS target) FROM data")
    many = {"n_estimators": 100} if "LGBM" in estimator else {"max_iter": 100}

    outcome = gym.train(tumours, validation=wrong, estimator=estimator, parameters=many, early_stopping={"rounds": 2})

    fitted = gym.open(outcome).pipeline.steps[-1][1]
    assert getattr(fitted, "n_iter_", None) or fitted.best_iteration_ <= 3  # each round makes it worse on them
    assert outcome.metrics["validation_score"] < 0.7


def test_validation_rows_that_an_estimator_cannot_use_are_said(gym, tumours):
    outcome = gym.train(
        tumours,
        validation=tumours,
        estimator="sklearn.neural_network.MLPClassifier",
        parameters={"max_iter": 20},
        early_stopping=True,
    )

    assert any("takes no rows that judge" in note for note in outcome.details["notes"])


@pytest.mark.parametrize("estimator", ["sklearn.neighbors.KNeighborsClassifier", HIST])
def test_several_targets_make_one_model_of_labels(gym, estimator):
    data = gym.sql("""SELECT * EXCLUDE (target), target = 1 AS benign, ("mean area" > 600)::INT AS big FROM data""")
    parameters = {"max_iter": 5} if estimator == HIST else {}

    outcome = gym.train(data, estimator=estimator, parameters=parameters, target=["benign", "big"])

    model = gym.open(outcome)
    inputs, target = by_hand()
    assert (model.signature.task, model.signature.labels) == ("multilabel", ("benign", "big"))
    assert model.predict(inputs).shape == model.probabilities(inputs).shape == (569, 2)
    assert ((model.probabilities(inputs)[:, 0] > 0.5) == (model.predict(inputs)[:, 0] == 1)).all()
    assert (model.predict(inputs)[:, 0] == target).mean() > 0.9
    assert len(model.golden()[PREDICTION_COLUMN][0]) == 2
    assert load_served(gym.store, ServedVersion(version="1", model=model.ref))
    expected = model.predict(inputs)
    assert outcome.metrics["train_score"] == pytest.approx(
        ((expected[:, 0] == target) & (expected[:, 1] == (inputs["mean area"] > 600))).mean(), abs=0.05
    )


def test_a_forecast_learns_in_the_order_of_time_and_not_from_it(gym):
    data = gym.sql(
        """SELECT TIMESTAMP '2026-01-01' + to_hours((row_number() OVER () * 7919) % 569) AS at, "mean radius" AS r,
           "mean area" AS target FROM data"""
    )
    fields = {"task": "forecasting", "timestamp": "at", "season": 24, "estimator": "lightgbm.LGBMRegressor"}
    gym.types = ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor")

    model = gym.fit(data, **fields, early_stopping=True)

    signature = model.signature
    assert (signature.task, signature.timestamp, signature.season) == ("forecasting", "at", 24)
    assert signature.names() == ["r"]
    last = read_frame(gym.bench.store, data).sort_values("at")["target"].iloc[-1]
    assert model.baseline()["target"].iloc[-1] == last


@pytest.mark.parametrize("estimator", ["sklearn.linear_model.Ridge", "lightgbm.LGBMRanker"])
def test_a_ranking_scores_rows_and_does_not_learn_from_the_query(gym, estimator):
    gym.types = ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRanker")
    data = gym.sql(
        """SELECT "mean radius" AS r, "mean area" AS a, (row_number() OVER ()) % 20 AS q, target FROM data"""
    )

    model = gym.fit(data, task="ranking", query="q", estimator=estimator)

    assert (model.signature.task, model.signature.query, model.signature.names()) == ("ranking", "q", ["r", "a"])
    if "Ridge" in estimator:
        inputs, target = by_hand()
        expected = Ridge(random_state=0).fit(inputs[["mean radius", "mean area"]], target)
        assert model.pipeline.steps[-1][1].coef_.shape == expected.coef_.shape


@pytest.mark.parametrize("estimator", [HIST, "sklearn.neural_network.MLPClassifier", "lightgbm.LGBMClassifier"])
def test_rounds_and_scores_are_in_the_log(gym, tumours, estimator, caplog, monkeypatch):
    monkeypatch.setattr(progress_module, "EVERY", 0.0)
    gym.types = LIGHTGBM
    many = {"n_estimators": 6} if "LGBM" in estimator else {"max_iter": 6}
    caplog.set_level(logging.INFO, "mlops_provider")

    fitted = gym.estimator(tumours, estimator=estimator, parameters=many)

    said = [record.getMessage() for record in caplog.records]
    assert f"training {estimator} on 569 rows and 30 features" in said
    assert any(line.startswith("round 3 of 6") and "left" in line for line in said)
    assert not getattr(fitted, "verbose", 0)


def test_profiles_of_all_rows_stand_beside_the_model_and_come_out_the_same_again(gym, tumours):
    model = gym.fit(tumours, **LOGISTIC)

    columns = read_profiles(model.content.folder / COLUMNS_FILE)

    assert {*columns} == {*model.signature.names(), "target", PREDICTION_COLUMN}
    assert columns["mean radius"].rows == 569
    assert columns["mean radius"].mean == pytest.approx(14.12729, rel=1e-6)
    assert columns["target"].categories == {"1": 357, "0": 212}
    assert sum(columns[PREDICTION_COLUMN].categories.values()) == 569
    assert gym.fit(tumours, **LOGISTIC).ref.digest == model.ref.digest


def test_the_profile_counts_all_rows_and_the_requirements_are_exact(gym, tumours):
    outcome = gym.train(tumours, **LOGISTIC)

    model = gym.open(outcome)
    profile = model.profile()
    assert profile["rows"] == 569
    assert {column["name"]: column for column in profile["columns"]}["mean radius"]["mean"] == pytest.approx(14.12729)
    meta = model.content.meta
    import sklearn

    assert f"scikit-learn=={sklearn.__version__}" in meta["requirements"]
    assert not any(line.startswith(("lightgbm", "torch")) for line in meta["requirements"])


def test_the_worlds_random_generators_are_left_as_they_were(gym, tumours):
    before = (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002 (what libraries draw from)

    gym.train(tumours, estimator="sklearn.ensemble.RandomForestClassifier", parameters={"n_estimators": 3})

    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002 (as above)


REPEATED = [
    ("sklearn.linear_model.SGDClassifier", {}),
    ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 5, "n_jobs": 2}),
    ("sklearn.ensemble.ExtraTreesClassifier", {"n_estimators": 5}),
    (HIST, {"max_iter": 10}),
    ("sklearn.neural_network.MLPClassifier", {"max_iter": 20}),
    ("sklearn.svm.SVC", {}),
    ("lightgbm.LGBMClassifier", {"n_estimators": 10, "subsample": 0.7, "subsample_freq": 1, "colsample_bytree": 0.5}),
]


@pytest.mark.parametrize(("estimator", "parameters"), REPEATED)
def test_equal_data_gives_equal_bytes(gym, tumours, estimator, parameters):
    gym.types = LIGHTGBM
    fields = {"estimator": estimator, "parameters": parameters, "class_weight": {"0": 2}}
    if "MLP" in estimator:
        del fields["class_weight"]

    first, second = (gym.train(tumours, **fields).outputs["model"] for _ in range(2))

    assert first.digest == second.digest
