"""SHAP values: they add up to what the model says, on raw columns, whatever the model is."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_dag_factory.spec import TrainSpec, TransformSpec
from mlops_provider.exceptions import DataError
from mlops_provider.runtime.explanation.outputs import outputs
from mlops_provider.runtime.explanation.parts import take_apart
from mlops_provider.runtime.explanation.shap_values import explain_rows, explain_sample
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model


def trained(bench, source, estimator, rows=12, **fields):
    ref, _, test = bench.model(source, estimator, **fields)
    return load_model(bench.store, ref), read_frame(bench.store, test).head(rows)


@pytest.mark.parametrize(
    ("source", "estimator", "method", "unit"),
    [
        ("sklearn:wine", "sklearn.ensemble.RandomForestClassifier", "tree", "probability"),
        ("sklearn:breast_cancer", "sklearn.tree.DecisionTreeClassifier", "tree", "probability"),
        ("sklearn:diabetes", "sklearn.ensemble.HistGradientBoostingRegressor", "tree", "target"),
        ("sklearn:diabetes", "sklearn.linear_model.Ridge", "linear", "target"),
        ("sklearn:iris", "sklearn.svm.SVC", "permutation", "probability"),
    ],
)
def test_the_sum_is_what_the_model_says(bench, source, estimator, method, unit):
    model, frame = trained(bench, source, estimator)

    found = explain_rows(model, frame, model.baseline())

    assert (found.method, found.unit) == (method, unit)
    assert found.values.shape == (len(frame), len(model.signature.features), len(found.outputs))
    assert found.totals() == pytest.approx(outputs(model, frame), abs=1e-3)


@pytest.mark.parametrize(
    ("source", "estimator", "unit"),
    [
        ("sklearn:breast_cancer", "sklearn.linear_model.LogisticRegression", "log-odds"),
        ("sklearn:breast_cancer", "sklearn.ensemble.HistGradientBoostingClassifier", "log-odds"),
        ("sklearn:wine", "sklearn.linear_model.LogisticRegression", "score before probabilities"),
    ],
)
def test_scores_before_probabilities_add_up_to_the_estimators_own(bench, source, estimator, unit):
    model, frame = trained(bench, source, estimator)

    found = explain_rows(model, frame, model.baseline())

    decision = model.pipeline.decision_function(frame[model.signature.names()]).reshape(len(frame), -1)
    assert found.unit == unit
    assert found.totals() == pytest.approx(decision, abs=1e-3)


def test_the_parts_of_a_text_column_are_summed_to_it(bench):
    rows = "".join(f"{'xyz'[i % 3]},{i % 7},{'pq'[i % 2]},{int(i % 3 == 0)}\n" for i in range(210))
    data = bench.csv("parts.csv", "a,a_x,b,y\n" + rows)  # 'a_x' is a column, and x of a
    spec = TrainSpec(data="d", target="y", estimator="sklearn.ensemble.RandomForestClassifier", seed=1)
    model = load_model(bench.store, bench.run(spec, {"data": data}).outputs["model"])
    frame = read_frame(bench.store, data).head(30)

    found = explain_rows(model, frame, model.baseline())

    parts = take_apart(model)
    assert sorted(parts.owners) == [0, 0, 0, 1, 2, 2]
    assert found.method == "tree"
    assert found.ranking()[0][0] == "a"
    assert found.totals() == pytest.approx(outputs(model, frame), abs=1e-6)


def test_any_model_is_asked_on_text_and_missing_values(bench):
    rows = "".join(f"{'xyz'[i % 3] if i % 10 else ''},{i % 7 if i % 9 else ''},{int(i % 3 == 0)}\n" for i in range(210))
    data = bench.csv("asked.csv", "town,size,y\n" + rows)
    estimator = "sklearn.neighbors.KNeighborsClassifier"
    model = load_model(
        bench.store, bench.run(TrainSpec(data="d", target="y", estimator=estimator), {"data": data}).outputs["model"]
    )
    frame = read_frame(bench.store, data).head(20)

    found = explain_rows(model, frame, model.baseline())

    assert found.method == "permutation"
    assert found.totals() == pytest.approx(outputs(model, frame), abs=1e-6)
    assert found.ranking()[0][0] == "town"


def test_a_column_that_the_model_does_not_use_has_no_value(bench):
    model, frame = trained(bench, "sklearn:diabetes", "sklearn.linear_model.Lasso", parameters={"alpha": 20.0})

    found = explain_rows(model, frame, model.baseline())

    unused = model.pipeline[-1].coef_ == 0
    assert unused.any()
    assert np.all(found.values[:, unused] == 0)


def test_the_values_of_the_answer_are_those_of_the_class_that_is_given(bench):
    model, frame = trained(bench, "sklearn:wine", "sklearn.ensemble.RandomForestClassifier")

    found = explain_rows(model, frame, model.baseline())

    chosen = [list(model.signature.classes).index(label) for label in model.predict(frame)]
    expected = [found.values[row, :, output] for row, output in enumerate(chosen)]
    assert found.of_answer() == pytest.approx(np.array(expected))


def test_a_sample_is_bounded_and_the_same_every_time(bench):
    ref, train, _ = bench.model("sklearn:breast_cancer", "sklearn.tree.DecisionTreeClassifier")
    many = bench.run(TransformSpec(data="n", sql="SELECT n.* FROM n, range(5)"), {"data": train}).outputs["data"]
    model, frame = load_model(bench.store, ref), read_frame(bench.store, many)

    first, again = (explain_sample(model, frame, seed=5) for _ in range(2))

    assert len(first.values) == 1000 < len(frame)
    assert np.array_equal(first.values, again.values)


def test_no_rows_are_an_error(bench):
    model, frame = trained(bench, "sklearn:iris", "sklearn.tree.DecisionTreeClassifier")

    with pytest.raises(DataError, match="no rows"):
        explain_rows(model, frame.head(0), model.baseline())
