"""Bad training data and parameters: each refusal says what was found, where, and what to do."""

from __future__ import annotations

import pytest

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.table import connect, write_dataset

TREE = {"estimator": "sklearn.tree.DecisionTreeClassifier"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('SELECT "mean radius" AS r, 1 AS target FROM data', "constant: every row of the training data says '1'"),
        ('SELECT "mean radius" AS r, NULL::INT AS target FROM data', "missing in 569 of 569 rows"),
        (
            """SELECT CASE WHEN "mean radius" > 25 THEN 'inf'::DOUBLE ELSE 1 END AS r, "mean area" AS a, target
               FROM data""",
            "infinite values: 'r' in 5 rows",
        ),
        ("SELECT *, target AS copy FROM data", "'copy' equals the target 'target' in every row"),
        (
            """SELECT CASE WHEN "mean radius" > 25 THEN 'large' ELSE "mean radius"::VARCHAR END AS r, target
               FROM data""",
            r"'r' in the training data is text because of 5 of 569 values, .*: 'large' \(row 82\)",
        ),
        ('SELECT "mean radius" AS r, target + 0.5 AS target FROM data', "holds fractions"),
    ],
)
def test_data_that_cannot_be_learned_from_is_refused(gym, query, message):
    with pytest.raises(DataError, match=message):
        gym.train(gym.sql(query), **TREE)
    assert gym.bench.store.files.list("flow/models") == []


def test_no_rows_are_no_training_data(gym):
    with connect() as connection:
        data = write_dataset(gym.bench.store, "flow", connection, "SELECT 1 AS r, 2 AS target LIMIT 0", lineage={})

    with pytest.raises(DataError, match="the training data has no rows"):
        gym.train(data, **TREE)


def test_codes_that_look_like_numbers_are_words_where_the_workflow_says_so(gym):
    data = gym.sql(
        """SELECT CASE WHEN "mean radius" > 25 THEN 'large' ELSE "mean radius"::VARCHAR END AS r, target FROM data"""
    )
    steps = [{"transformer": "sklearn.preprocessing.OneHotEncoder", "parameters": {"handle_unknown": "ignore"}}]

    model = gym.fit(data, **TREE, preprocess={"columns": {"r": steps}})

    assert model.signature.features[0].type == "string"


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("SELECT * FROM data LIMIT 21", "more features (30) than rows (21)"),
        ("SELECT *, NULL::DOUBLE AS nothing FROM data", "no row has a value of 'nothing'"),
        ("SELECT *, (target + (random() < 0.3)::INT)::VARCHAR AS code FROM data", "'code' is text, but every value"),
    ],
)
def test_odd_data_is_learned_from_with_a_note(gym, query, note):
    outcome = gym.train(gym.sql(query), estimator="sklearn.linear_model.LogisticRegression")

    assert any(note in said for said in outcome.details["notes"])
    assert note in outcome.summary


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"features": ["mean radius", "mean radius"]}, ConfigError, "'features' names mean radius more than once"),
        ({"features": ["mean radios"]}, DataError, "(?s)no column 'mean radios'.*did you mean 'mean radius'"),
        ({"exclude": ["x"], "preprocess": {"columns": {"mean radios": "drop"}}}, DataError, "did you mean"),
        ({"parameters": {"max_deph": 3}}, ConfigError, "(?s)no parameter max_deph.*did you mean 'max_depth'"),
        ({"estimator": "lightgbm.LGBMClassifier", "parameters": {"n_estimater": 3}}, ConfigError, "'n_estimators'"),
        ({"estimator": "sklearn.preprocessing.StandardScaler"}, ConfigError, "neither a classifier nor a regressor"),
        ({"estimator": "sklearn.metrics.accuracy_score"}, ConfigError, "is not an estimator"),
        ({"task": "regression"}, ConfigError, "is a classifier, but regression needs a regressor"),
        ({"task": "forecasting", "timestamp": "mean area"}, ConfigError, "is a classifier, but forecasting needs"),
        ({"query": "mean area"}, ConfigError, "is a classifier, but ranking needs a regressor"),
        ({"class_weight": {"1": 2, "yes": 3}}, ConfigError, "(?s)names yes, which 'target' never is.*classes: 0, 1"),
        ({"class_weight": {"1": -2}}, ConfigError, "the weight of class '1' is -2"),
        ({"sample_weight": "mean raduis"}, DataError, "did you mean 'mean radius'"),
        ({"sample_weight": "mean area", "features": ["mean area"]}, ConfigError, "is 'sample_weight' and no feature"),
        ({"early_stopping": True}, ConfigError, "'sklearn.tree.DecisionTreeClassifier' has no early stopping"),
        ({"preprocess": {"numeric": ["sklearn.tree.DecisionTreeClassifier"]}}, ConfigError, "it has no transform"),
        ({"preprocess": {"numeric": ["os.path.join"]}}, Exception, "may not be imported"),
    ],
)
def test_wrong_keys_are_refused_with_what_was_meant(gym, tumours, fields, error, message):
    with pytest.raises(error, match=message):
        gym.train(tumours, **{**TREE, **fields})


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("'a'", "'sample_weight' is 'w', which holds no numbers"),
        ("CASE WHEN target = 1 THEN 1.0 END", "the weight 'w' is missing in 212 of 569 rows"),
        ("CASE WHEN target = 1 THEN 1 ELSE -1 END", r"is -1 in row 0 of the training data \(212 such rows\)"),
        ("0", "is 0 in every row"),
    ],
)
def test_weights_are_checked(gym, weight, message):
    data = gym.sql(f"SELECT *, {weight} AS w FROM data")

    with pytest.raises(DataError, match=message):
        gym.train(data, **TREE, sample_weight="w")


def test_labels_are_yes_and_no(gym):
    data = gym.sql('SELECT "mean radius" AS r, target AS a, ("mean area" / 500)::INT AS b FROM data')

    with pytest.raises(DataError, match=r"labels of yes and no, but 'b' is '2' in row 0"):
        gym.train(data, **TREE, target=["a", "b"])


def test_validation_data_of_other_classes_or_types_is_refused(gym, tumours):
    words = gym.sql("""SELECT * REPLACE ('a' AS "mean radius") FROM data""")
    unknown = gym.sql("SELECT * REPLACE (target + 1 AS target) FROM data")

    with pytest.raises(DataError, match="'mean radius' is string in the validation data, but float in the training"):
        gym.train(tumours, validation=words, **TREE)
    with pytest.raises(DataError, match="the validation data has classes that the training data lacks: 2"):
        gym.train(tumours, validation=unknown, **TREE)
