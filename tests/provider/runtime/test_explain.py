"""Explain: what a model looks at, whom it treats how; gates that block; pages that hold up to odd data."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, demographic_parity_ratio, equalized_odds_difference
from sklearn.inspection import permutation_importance

from mlops_dag_factory.spec import ExplainSpec, TrainSpec, TransformSpec
from mlops_provider.exceptions import CheckpointBlockedError, ConfigError, DataError, ExpressionError, MissingExtraError
from mlops_provider.runtime import tracking
from mlops_provider.runtime.records import run_records
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model

FOREST = "sklearn.ensemble.RandomForestClassifier"


def explain(bench, model, data, **fields):
    return bench.run(ExplainSpec(model="m", data="d", **fields), {"model": model, "data": data})


def derived(bench, data, sql):
    return bench.run(TransformSpec(data="n", sql=sql), {"data": data}).outputs["data"]


def report(bench, outcome):
    return json.loads((bench.store.open(outcome.outputs["report"]).folder / "report.json").read_text())


def page(bench, outcome):
    return (bench.store.open(outcome.outputs["report"]).folder / "report.html").read_text()


def loans(bench, *, biased, rows=1200):
    """A model of who is paid back, which sees the group (biased) or not; the group is no cause of the target."""
    random = np.random.default_rng(7)
    lines = ["income,sex,paid"]
    for _ in range(rows):
        sex = "f" if random.random() < 0.4 else "m"
        income = random.normal(50, 10)
        good = income + (random.normal(0, 3) if not biased else (9 if sex == "m" else -9)) > 50
        lines.append(f"{income:.3f},{sex},{int(good)}")
    data = bench.csv("loans.csv", "\n".join(lines) + "\n")
    features = ["income", "sex"] if biased else ["income"]
    spec = TrainSpec(data="d", target="paid", features=features, estimator="sklearn.linear_model.LogisticRegression")
    return bench.run(spec, {"data": data}).outputs["model"], data


def test_the_importances_are_scikit_learns(bench):
    model, _, test = bench.model("sklearn:wine", parameters={"max_iter": 5000})

    metrics = explain(bench, model, test, repeats=3, seed=4).metrics

    frame, loaded = read_frame(bench.store, test), load_model(bench.store, model)
    names = loaded.signature.names()
    pipeline = loaded.pipeline
    expected = permutation_importance(
        pipeline, frame[names], frame["target"], scoring="accuracy", n_repeats=3, random_state=4
    )
    assert metrics["importance.proline"] == pytest.approx(expected.importances_mean[names.index("proline")])
    by_name = dict(zip(names, expected.importances_mean, strict=True))
    assert [metrics[f"importance.{n.replace('/', '_')}"] for n in names] == pytest.approx([by_name[n] for n in names])


def test_a_planted_feature_is_found_and_noise_is_none(bench):
    random = np.random.default_rng(0)
    rows = "".join(
        f"{random.normal():.4f},{random.normal():.4f},{'xyz'[i % 3]},{'xyz'[i % 3] == 'x'}\n" for i in range(600)
    )
    data = bench.csv("planted.csv", "noise,more noise,town,y\n" + rows)
    spec = TrainSpec(data="d", target="y", estimator=FOREST, parameters={"n_estimators": 20})
    model = bench.run(spec, {"data": data}).outputs["model"]

    outcome = explain(bench, model, data, gates=["importance.town > 0.3", "importance.more_noise < 0.05"])

    columns = {one["columns"][0]: one for one in report(bench, outcome)["importance"]["columns"]}
    assert outcome.verdict.status == "passed"
    assert not columns["town"]["noise"]
    assert abs(outcome.metrics["importance.noise"]) < 0.05


def test_metrics_where_less_is_better_lose_too(bench):
    model, _, test = bench.model("sklearn:diabetes", "sklearn.linear_model.Ridge")

    outcome = explain(bench, model, test)

    found = report(bench, outcome)["importance"]
    assert found["scoring"] == "rmse"
    assert found["lower_is_better"]
    assert outcome.metrics["importance.bmi"] > 1
    assert "rises when the column is shuffled" in outcome.summary


def test_columns_that_stand_in_for_one_another_are_shuffled_together(bench):
    model, _, test = bench.model("sklearn:breast_cancer")

    found = report(bench, explain(bench, model, test))["importance"]

    [sizes] = [one for one in found["together"] if "mean radius" in one["columns"]]
    single = {one["columns"][0]: one["mean"] for one in found["columns"]}
    assert {"mean perimeter", "mean area"} < set(sizes["columns"])
    assert sizes["mean"] > 4 * single["mean radius"]


def test_the_fairness_is_fairlearns(bench):
    model, _, _ = bench.model("sklearn:breast_cancer", FOREST)
    grouped = derived(
        bench,
        bench.dataset("sklearn:breast_cancer"),
        """SELECT *, CASE WHEN "mean texture" > 21 THEN 'high' WHEN "mean texture" > 16 THEN 'middle' ELSE 'low' END
        AS "texture group" FROM n""",
    )

    outcome = explain(bench, model, grouped, sensitive="texture group", methods=[])

    frame = read_frame(bench.store, grouped)
    predicted = load_model(bench.store, model).predict(frame)
    groups = {"sensitive_features": frame["texture group"]}
    for name, function in {
        "demographic_parity_difference": demographic_parity_difference,
        "demographic_parity_ratio": demographic_parity_ratio,
        "equalized_odds_difference": equalized_odds_difference,
    }.items():
        value = outcome.metrics[f"fairness.texture_group.{name}"]
        assert value == pytest.approx(function(frame["target"], predicted, **groups))
        low, high = (outcome.metrics[f"fairness.texture_group.{name}.{end}"] for end in ("low", "high"))
        assert low <= value <= high
        assert low < high


def test_a_biased_model_is_blocked_and_the_reason_names_value_threshold_and_groups(bench):
    model, data = loans(bench, biased=True)

    with pytest.raises(CheckpointBlockedError) as blocked:
        explain(bench, model, data, sensitive="sex", gates=["fairness.sex.demographic_parity_difference <= 0.1"])

    assert "fairness.sex.demographic_parity_difference <= 0.1 does not hold" in str(blocked.value)
    assert "of 'm'" in str(blocked.value)
    assert "of 'f'" in str(blocked.value)
    record = run_records(bench.store, "flow", "run-1")[-1]
    assert record["status"] == "blocked"
    assert record["metrics"]["fairness.sex.demographic_parity_difference"] > 0.3


def test_a_fair_model_passes_also_by_the_upper_end(bench):
    model, data = loans(bench, biased=False)
    gates = [
        f"fairness.sex.demographic_parity_difference.high <= {0.15}",
        "fairness.sex.demographic_parity_ratio >= 0.8",
    ]

    outcome = explain(bench, model, data, sensitive="sex", gates=gates)

    assert outcome.verdict.status == "passed"


def test_without_a_gate_nothing_is_judged(bench):
    model, _, test = bench.model()

    outcome = explain(bench, model, test)

    assert outcome.verdict.status == "vacuous"
    assert "nothing was judged" in outcome.summary


def test_a_blocked_explanation_may_skip_what_follows(bench):
    model, data = loans(bench, biased=True)

    outcome = explain(
        bench, model, data, sensitive="sex", on_fail="skip", gates=["fairness.sex.accuracy_difference < 0"]
    )

    assert outcome.verdict.status == "blocked"


def test_numbers_are_compared_by_their_mean_error(bench):
    model, _, test = bench.model("sklearn:diabetes", "sklearn.linear_model.Ridge")

    metrics = explain(bench, model, test, sensitive="sex", methods=[]).metrics

    frame = read_frame(bench.store, test)
    error = load_model(bench.store, model).predict(frame) - frame["target"]
    means = error.groupby(frame["sex"]).mean()
    assert metrics["fairness.sex.mean_error_difference"] == pytest.approx(means.max() - means.min())
    mae = error.abs().groupby(frame["sex"]).mean()
    assert metrics["fairness.sex.mae_difference"] == pytest.approx(mae.max() - mae.min())


def test_the_favorable_class_is_chosen_by_its_name(bench):
    model, _, _ = bench.model("sklearn:wine", FOREST)
    grouped = derived(
        bench, bench.dataset("sklearn:wine"), "SELECT *, CASE WHEN ash > 2.36 THEN 'a' ELSE 'b' END AS g FROM n"
    )
    common = {"sensitive": "g", "methods": []}

    metrics = explain(bench, model, grouped, favorable="2", **common).metrics

    frame = read_frame(bench.store, grouped)
    given = load_model(bench.store, model).predict(frame) == 2
    shares = given.astype(float)
    expected = abs(shares[frame["g"] == "a"].mean() - shares[frame["g"] == "b"].mean())
    assert metrics["fairness.g.demographic_parity_difference"] == pytest.approx(expected)
    assert "fairness.g.demographic_parity_difference" not in explain(bench, model, grouped, **common).metrics
    with pytest.raises(ConfigError, match="there is no class '7'"):
        explain(bench, model, grouped, favorable="7", **common)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT *, 'all' AS g FROM n", "'g' has one group only, 'all'"),
        ("SELECT *, row_number() OVER ()::VARCHAR AS g FROM n", "of the 171 groups of 'g' 0 have 30 rows; two must"),
        (
            "SELECT * REPLACE (1 AS target), CASE WHEN \"mean texture\" > 19 THEN 'a' ELSE 'b' END AS g FROM n",
            "the false positive rate of fewer than two groups of 'g' count 10 rows: they lack a class",
        ),
    ],
    ids=["one group", "groups of one row", "one class"],
)
def test_a_gate_on_what_cannot_be_compared_says_why(bench, sql, reason):
    model, _, test = bench.model("sklearn:breast_cancer")
    data = derived(bench, test, sql)

    with pytest.raises(ExpressionError, match=reason):
        explain(bench, model, data, sensitive="g", methods=[], gates=["fairness.g.false_positive_rate_difference < 1"])
    assert explain(bench, model, data, sensitive="g", methods=[]).verdict.status == "vacuous"


@pytest.mark.parametrize(
    ("sql", "sensitive", "error", "message"),
    [
        ("SELECT * FROM n", "gender", DataError, "no column 'gender'"),
        ("SELECT *, DATE '2026-01-01' AS born FROM n", "born", DataError, "timestamp|date"),
        ('SELECT *, 1 AS "mean-area" FROM n', "mean-area", ConfigError, "both called 'mean_area'"),
        ("SELECT * REPLACE (NULL::INTEGER AS target) FROM n", "mean area", DataError, "is missing in"),
    ],
)
def test_what_cannot_be_a_sensitive_column_is_an_error(bench, sql, sensitive, error, message):
    model, _, test = bench.model("sklearn:breast_cancer")

    with pytest.raises(error, match=message):
        explain(bench, model, derived(bench, test, sql), sensitive=sensitive)
    assert bench.store.files.list("flow/reports") == []


def test_group_names_are_shown_as_text(bench):
    model, _, test = bench.model("sklearn:breast_cancer")
    data = derived(
        bench,
        test,
        """SELECT *, CASE WHEN "mean texture" > 19 THEN '<script>alert(1)</script>'
        WHEN "mean texture" > 16 THEN 'a|b`c'
        END AS "<b>g" FROM n""",
    )

    outcome = explain(bench, model, data, sensitive="<b>g")

    html = page(bench, outcome)
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert "<b>g" not in html
    assert "http" not in html
    assert outcome.metrics["fairness._b_g.demographic_parity_difference"] > 0


def test_a_model_without_probabilities_is_explained(bench):
    model, _, test = bench.model("sklearn:iris", "sklearn.svm.SVC")

    outcome = explain(bench, model, test, sensitive="petal width (cm)")

    curves = report(bench, outcome)["partial_dependence"]
    assert outcome.metrics["importance.petal_width_cm_"] > 0
    assert all(0 <= value <= 1 for one in curves for values in one["outputs"].values() for value in values)


def test_a_scoring_that_these_rows_do_not_define_is_an_error(bench):
    model, _, test = bench.model("sklearn:breast_cancer")

    with pytest.raises(DataError, match="'roc_auc' cannot be measured: it is nan"):
        explain(bench, model, derived(bench, test, "SELECT * FROM n WHERE target = 1"), scoring="roc_auc")
    with pytest.raises(ConfigError, match="there is no metric bleu"):
        explain(bench, model, test, scoring="bleu")


def test_missing_values_and_text_are_explained_on_raw_columns(bench, data_folder):
    weather = bench.dataset(str(data_folder / "nyc_weather.csv"))
    rows = derived(
        bench,
        weather,
        "SELECT origin, temp, humid, wind_gust, pressure, visib, precip > 0 AS rain FROM n "
        "WHERE precip IS NOT NULL AND day IN (1, 11)",
    )
    spec = TrainSpec(data="d", target="rain", estimator="sklearn.tree.DecisionTreeClassifier", seed=1)
    model = bench.run(spec, {"data": rows}).outputs["model"]

    outcome = explain(bench, model, rows, sensitive=["origin", "wind_gust"], repeats=2, rows=1000)

    found = report(bench, outcome)
    groups = {group["name"] for one in found["fairness"] for group in one["groups"]}
    assert {"EWR", "JFK", "LGA", "(missing)"} < groups
    assert {one["feature"] for one in found["partial_dependence"]} & {"humid", "visib"}
    assert found["rows"] == 1000 < found["of"]


def test_a_large_dataset_is_sampled_the_same_every_time(bench):
    rows = derived(bench, bench.dataset("sklearn:iris"), "SELECT n.* FROM n, range(4000)")
    model, _, _ = bench.model("sklearn:iris")

    first, again = (explain(bench, model, rows, rows=500) for _ in range(2))

    assert first.details["rows"] == 500
    assert first.details["of"] == 600_000
    assert first.outputs["report"].digest == again.outputs["report"].digest
    assert "On 500 rows that the model has not seen, a sample of 600,000." in first.summary


def test_the_numbers_reach_the_tracking_run(bench):
    model, data = loans(bench, biased=False)

    explain(bench, model, data, sensitive="sex")

    context = bench.context("explain", "explain")
    logged = tracking.client(bench.tracking_uri).get_run(tracking.tracking_run(context)).data.metrics
    assert {"explain.importance.income", "explain.fairness.sex.demographic_parity_ratio.low"} <= logged.keys()


@pytest.mark.parametrize(("fields", "module"), [({"sensitive": ["sex"]}, "fairlearn"), ({"methods": "shap"}, "shap")])
def test_a_missing_extra_says_how_to_install_it(bench, monkeypatch, fields, module):
    model, data = loans(bench, biased=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtraError, match=rf"'{module}' is not installed.*\n.*airflow-provider-mlops\[explain\]"):
        explain(bench, model, data, **fields)


def test_the_worst_slice_and_rows_are_shown_with_what_moved_their_answers(bench):
    random = np.random.default_rng(2)
    lines = []
    for _ in range(900):
        x, town = random.normal(), "north" if random.random() < 0.2 else "south"
        y = (x > 0) if town == "south" else (random.random() < 0.5)
        lines.append(f"{x:.4f},{town},{int(y)}\n")
    data = bench.csv("towns.csv", "x,town,y\n" + "".join(lines))
    spec = TrainSpec(data="d", target="y", estimator="sklearn.tree.DecisionTreeClassifier", parameters={"max_depth": 2})
    model = bench.run(spec, {"data": data}).outputs["model"]

    outcome = explain(bench, model, data, methods=["permutation", "shap"])

    errors = report(bench, outcome)["errors"]
    losses = [row["loss"] for row in errors["rows"]]
    assert "town" in errors["slices"]["slices"][0]["text"]
    assert losses == sorted(losses, reverse=True)
    assert errors["unit"] == "probability"
    assert all(set(row["because"]) <= {"x", "town"} and row["because"] for row in errors["rows"])
    assert "**Where it errs:** where 'town = north'" in outcome.summary
