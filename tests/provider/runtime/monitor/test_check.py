"""The check on real models: what it must see, what must not disturb it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from sklearn.metrics import roc_auc_score

from mlops_provider.exceptions import ExpressionError
from mlops_provider.runtime.monitor.windows.profiles import PREDICTION

LABELS = {"source": "labels", "column": "target"}
DRIFT = {"data_drift": {"share": 0.3, "threshold": 0.25}}
NUMBERS = ["temp", "dewp", "humid", "wind_speed", "pressure", "visib"]


def rule(outcome, name):
    [found] = [rule for rule in outcome.verdict.rules if rule.rule == name]
    return found


def report(service, outcome):
    return json.loads((service.report(outcome) / "report.json").read_text())


@pytest.fixture
def weather(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    frame["target"] = (frame["precip"] > 0).astype(int)
    return frame.sort_values(["time_hour", "origin"], ignore_index=True)


def test_the_same_kind_of_data_is_no_drift_and_other_data_is(digits):
    digits.log(digits.rows, minutes_ago=10)
    _, quiet, _ = digits.look(checks=DRIFT)
    assert quiet.verdict.status == "passed"

    names = digits.model.signature.names()
    digits.log(pd.concat([digits.rows.assign(**{name: 16 - digits.rows[name] for name in names})] * 2))
    _, moved, _ = digits.look(checks=DRIFT, window={"rows": 500})
    assert moved.verdict.status == "blocked"
    assert moved.metrics["drift_share"] > 0.8
    files = {file.name for file in digits.bench.store.open(moved.outputs["report"]).files()}
    assert files == {"evidently.parquet", "report.html", "report.json", "report.md"}


def test_january_against_july_drifts_and_two_halves_of_a_week_do_not(bench, watched, weather):
    week = weather[(weather["month"] == 1) & weather["day"].between(6, 12)]
    columns = ["origin", *NUMBERS, "target"]
    week[week["hour"] % 2 == 0][columns].to_csv(bench.root / "week.csv", index=False)
    service = watched("week.csv")

    service.log(week[week["hour"] % 2 == 1], minutes_ago=10)
    _, same, _ = service.look(checks=DRIFT)
    assert same.verdict.status == "passed"
    assert same.metrics["drift_share"] == 0

    service.log(weather[weather["month"] == 7])
    _, summer, _ = service.look(checks=DRIFT, window={"rows": 2000})
    assert summer.verdict.status == "blocked"
    assert {"temp", "dewp"} <= set(rule(summer, "data_drift").values)
    assert "origin" not in rule(summer, "data_drift").why


def test_the_scores_are_the_distances_that_they_say(digits):
    moved = digits.rows.assign(pixel_2_4=digits.rows["pixel_2_4"] + 3)
    digits.log(moved)

    _, outcome, _ = digits.look(checks=DRIFT)

    baseline = digits.model.baseline()["pixel_2_4"]
    expected = wasserstein_distance(baseline, moved["pixel_2_4"]) / baseline.std(ddof=0)
    assert report(digits, outcome)["scores"]["pixel_2_4"] == pytest.approx(expected)


def test_late_labels_are_joined_and_judged(digits):
    ids = digits.log(digits.rows)
    checks = {"performance": ["accuracy >= 0.9"]}

    window, outcome, _ = digits.look(labels=LABELS, checks=checks)
    assert (window.metrics["labelled"], outcome.verdict.status) == (0, "vacuous")

    digits.deliver(ids, digits.rows["target"])
    window, outcome, _ = digits.look(labels=LABELS, checks=checks)
    assert window.metrics["coverage"] == 1
    expected = (digits.model.predict(digits.rows) == digits.rows["target"]).mean()
    assert outcome.metrics["accuracy"] == pytest.approx(expected)

    digits.deliver(ids, (digits.rows["target"] + 1) % 10, name="zz-corrected.csv")
    _, outcome, _ = digits.look(labels=LABELS, checks=checks)
    assert outcome.verdict.status == "blocked"
    assert "accuracy >= 0.9 does not hold" in rule(outcome, "accuracy >= 0.9").why


def test_nothing_and_little_are_states_of_their_own(digits):
    window, outcome, _ = digits.look(checks=DRIFT)
    assert (window.metrics["rows"], outcome.verdict.status) == (0, "vacuous")

    digits.log(digits.rows.head(1))
    _, outcome, _ = digits.look(checks=DRIFT)
    assert outcome.verdict.status == "vacuous"
    assert "1 predictions are fewer than policy.minimum_rows" in outcome.summary


def test_categories_and_predictions_get_the_distance_that_it_says(bench, watched, weather):
    frame = weather.head(6000).assign(target=(weather["temp"] > 38).astype(int))
    frame[["origin", "humid", "target"]].to_csv(bench.root / "w.csv", index=False)
    service = watched("w.csv")
    window = frame.head(1500).assign(origin=["ORD"] * 500 + list(frame["origin"][500:1500]))
    table = service.table(window)
    service.write(table)

    checks = {"data_drift": {"share": 0.5, "threshold": 0.3}, "prediction_drift": {"threshold": 0.9}}
    _, outcome, _ = service.look(checks=checks)

    def distance(before, after):
        shares = [side.value_counts(normalize=True) for side in (before, after)]
        names = sorted(set(shares[0].index) | set(shares[1].index))
        return jensenshannon(*(side.reindex(names, fill_value=0) for side in shares))

    baseline = service.model.baseline()
    assert report(service, outcome)["scores"]["origin"] == pytest.approx(distance(baseline["origin"], window["origin"]))
    expected = distance(baseline["__prediction__"], table["prediction"])
    assert outcome.metrics["prediction_drift"] == pytest.approx(expected, rel=1e-6)
    assert "origin" in rule(outcome, "data_drift").values


def test_missing_values_are_seen_although_drift_does_not_see_them(bench, watched, weather):
    frame = weather.head(6000).assign(target=(weather["temp"] > 38).astype(int))
    frame[["origin", "humid", "target"]].to_csv(bench.root / "w.csv", index=False)
    service = watched("w.csv")
    holes = frame.head(1000).copy()
    holes.loc[holes.index[::2], "origin"] = None
    service.log(holes)

    _, outcome, _ = service.look(checks={**DRIFT, "data_quality": {"missing": 0.1}})

    assert rule(outcome, "data_drift").result == "passed"
    assert rule(outcome, "data_quality").values["origin"] == pytest.approx(0.5)
    assert rule(outcome, "data_quality").why == "missing in more than 10% of the rows: origin 50%"


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_bad_columns_are_named_and_the_others_still_judged(digits):
    text = digits.rows["pixel_2_2"].astype(str).to_numpy(copy=True)
    text[:3] = "lost"
    bad = {"x_pixel_1_1": np.nan, "x_pixel_1_2": np.inf, "x_pixel_1_3": 7.0, "x_pixel_2_2": text}
    table = digits.table(digits.rows, **bad).drop(columns="x_pixel_1_4")
    table.loc[:4, "x_pixel_1_5"] = -np.inf
    digits.write(table)

    _, outcome, _ = digits.look(checks={**DRIFT, "data_quality": {"missing": 0.05}})

    quality = rule(outcome, "data_quality")
    assert (quality.result, set(quality.values)) == ("failed", {"pixel_1_1", "pixel_1_2", "pixel_1_4"})
    content = report(digits, outcome)
    assert content["bad_columns"] == {
        "pixel_1_1": "has no value any more",
        "pixel_1_2": "has only infinite values",
        "pixel_1_4": "is not in the prediction log",
        "pixel_2_2": "has text instead of numbers (3 rows)",
    }
    assert content["notes"] == {"pixel_1_3": "is always 7.0", "pixel_1_5": "has infinite values (5 rows)"}
    assert len(content["scores"]) == 60
    assert "pixel_1_4 is not in the prediction log" in rule(outcome, "data_drift").why
    assert outcome.metrics["drift_share"] == pytest.approx(5 / 64)


def test_columns_of_extremes_lose_neither_the_verdict_nor_the_json(bench, watched, weather):
    """Almost never there, far beyond what has a square, a million times smaller, 10,000 names: all in one model."""
    generator = np.random.default_rng(0)
    frame = weather.head(12_000)[["temp", "target"]].reset_index(drop=True)
    frame["rare"] = frame["temp"].where(frame.index % 3_000 == 0)
    frame["huge"] = generator.normal(0, 1e200, len(frame))
    frame["tiny"] = generator.normal(0, 1e-200, len(frame))
    frame["name"] = [f"n{number}" for number in range(len(frame))]
    frame["temp"] = frame["temp"].fillna(0)
    frame.to_parquet(bench.root / "extremes.parquet")
    service = watched("extremes.parquet", "sklearn.ensemble.HistGradientBoostingClassifier")
    service.log(service.rows.assign(huge=service.rows["huge"] * 3, tiny=service.rows["tiny"] * 3, rare=1.0))

    _, outcome, _ = service.look(
        checks={"data_drift": {"multivariate": {}}, "data_quality": {}, "prediction_drift": {}}
    )

    text = (service.report(outcome) / "report.json").read_text()
    scores = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["scores"]
    assert scores["huge"] == pytest.approx(scores["tiny"], abs=0.1)
    assert scores["huge"] > 0.5


def test_windows_of_one_or_five_rows_do_not_drift_by_chance(digits):
    for rows in (1, 5, 5, 5):
        digits.log(digits.rows.sample(rows, random_state=rows), minutes_ago=0)

        _, outcome, _ = digits.look(
            checks={"data_drift": {}, "prediction_drift": {}}, policy={"minimum_rows": 1}, window={"rows": rows}
        )

        assert outcome.verdict.status == "passed", outcome.summary
        assert outcome.metrics["rows"] == rows


def test_nothing_to_compare_is_drift_not_a_crash(digits):
    table = digits.table(digits.rows)
    digits.write(table[[name for name in table if not name.startswith("x_")]])

    _, outcome, _ = digits.look(checks=DRIFT)

    assert (outcome.verdict.status, outcome.metrics["drift_share"]) == ("blocked", 1)


def test_features_of_any_name_and_kind_are_taken(bench, watched):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "prediction": random.normal(size=600),
            "status": random.integers(0, 3, 600),
            'a "b", <c>': random.choice(["ä", "|", "<script>"], 600),
            "on": random.random(600) > 0.5,
            "empty": np.nan,
            "same": 1.5,
        }
    )
    frame["target"] = (frame["prediction"] > 0).map({True: "yes", False: "no"})
    frame.to_parquet(bench.root / "odd.parquet")
    service = watched("odd.parquet")
    ids = service.log(service.rows)
    service.deliver(ids, service.rows["target"])

    checks = {**DRIFT, "prediction_drift": {"threshold": 0.2}, "performance": ["f1 > 0.5"]}
    _, outcome, _ = service.look(labels=LABELS, checks=checks)

    assert outcome.verdict.status == "passed"
    content = report(service, outcome)
    assert set(content["scores"]) == {"prediction", "status", 'a "b", <c>', "on", "same"}
    assert PREDICTION not in content["scores"]
    page = (service.report(outcome) / "report.html").read_text()
    assert "<script>" not in page
    assert "a &quot;b&quot;, &lt;c&gt;" in page


def test_infinite_predictions_are_a_breach(watched):
    service = watched("sklearn:diabetes", "sklearn.linear_model.Ridge")
    service.log(service.rows, prediction=np.inf)

    _, outcome, _ = service.look(checks={"prediction_drift": {"threshold": 0.3}})

    assert outcome.verdict.failures() == ["predictions cannot be compared: they have no usable values"]


def test_failed_requests_count_for_the_service_only(digits):
    table = digits.table(digits.rows)
    failed = table.index < 50
    table["prediction"] = table["prediction"].astype("Int64").mask(failed)
    table["status"] = np.where(failed, 500, 200)
    for name in table.columns[table.columns.str.startswith("x_")]:
        table[name] = table[name].mask(failed)
    digits.write(table)

    checks = {**DRIFT, "data_quality": {"missing": 0.01}, "prediction_drift": {"threshold": 0.2}}
    _, outcome, _ = digits.look(checks={**checks, "service": ["error_rate <= 0.05"]})

    assert outcome.metrics["error_rate"] == pytest.approx(50 / len(table))
    assert [one.rule for one in outcome.verdict.rules if one.result == "failed"] == ["error_rate <= 0.05"]


def test_a_request_of_many_rows_is_one_request(digits):
    slow = digits.table(digits.rows.head(200), request_id="batch", row=np.arange(200), latency_ms=500.0)
    digits.write(slow.assign(ts=slow["ts"].iloc[0]))
    digits.log(digits.rows.head(99))

    _, outcome, _ = digits.look(checks={"service": ["latency_p95_ms <= 200", "requests == 100"]})

    assert outcome.verdict.status == "passed"
    assert outcome.metrics["latency_p95_ms"] == pytest.approx(1)


def test_two_classes_are_measured_from_the_logged_probability(watched):
    service = watched("sklearn:breast_cancer", parameters={"max_iter": 5000})
    scores = service.model.probabilities(service.rows)
    truth = service.rows["target"]
    ids = service.log(service.rows, probability=scores.max(axis=1))
    service.deliver(ids, truth)

    _, outcome, _ = service.look(labels=LABELS, checks={"performance": ["roc_auc > 0.9"]})
    assert outcome.metrics["roc_auc"] == pytest.approx(roc_auc_score(truth, scores[:, 1]))

    service.deliver(ids[:1], [2], "new-class.csv")
    _, outcome, _ = service.look(labels=LABELS, checks={"performance": ["precision > 0.9", "log_loss < 1"]})
    assert rule(outcome, "precision > 0.9").result == "passed"
    assert rule(outcome, "log_loss < 1").result == "not_applicable"
    assert outcome.verdict.status == "passed"


def test_a_condition_on_what_is_never_measured_names_it(digits):
    digits.log(digits.rows)

    with pytest.raises(ExpressionError, match="does not measure 'precison'") as caught:
        digits.look(labels=LABELS, checks={"performance": ["precison >= 0.4"]})
    assert "it measures: accuracy" in str(caught.value)

    with pytest.raises(ExpressionError, match="does not measure 'roc_auc'"):
        digits.look(labels=LABELS, checks={"performance": ["roc_auc >= 0.4"]})


def test_what_this_window_does_not_have_is_not_judged(digits):
    digits.log(digits.rows, latency_ms=np.nan)

    _, outcome, _ = digits.look(checks={"service": ["latency_p95_ms <= 100", "error_rate == 0"]})

    assert rule(outcome, "latency_p95_ms <= 100").why == "latency_p95_ms cannot be measured on this window"
    assert outcome.verdict.status == "passed"


def test_regression_is_watched_too(watched):
    service = watched("sklearn:diabetes", "sklearn.linear_model.Ridge")
    ids = service.log(pd.concat([service.rows] * 2))
    service.deliver(ids, list(service.rows["target"]) * 2)

    checks = {"performance": ["rmse <= 100", "r2 > 0"], "prediction_drift": {"threshold": 0.3}}
    _, outcome, _ = service.look(labels=LABELS, checks=checks)

    assert outcome.verdict.status == "passed"
    expected = np.sqrt(np.mean((service.model.predict(service.rows) - service.rows["target"]) ** 2))
    assert outcome.metrics["rmse"] == pytest.approx(expected)


def test_true_and_false_are_classes(bench, watched):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"a": random.normal(size=800)})
    frame["target"] = frame["a"] + random.normal(size=800) > 0
    frame.to_csv(bench.root / "b.csv", index=False)
    service = watched("b.csv")
    ids = service.log(service.rows)
    service.deliver(ids, service.rows["target"])

    checks = {"performance": ["precision > 0.5"], "prediction_drift": {"threshold": 0.2}}
    _, outcome, _ = service.look(labels=LABELS, checks=checks)

    assert outcome.verdict.status == "passed"
    assert outcome.metrics["accuracy"] == pytest.approx(
        (service.model.predict(service.rows) == service.rows["target"]).mean()
    )


def test_a_window_is_judged_by_the_baseline_of_the_version_that_answered(digits):
    digits.log(digits.rows)
    window, _, spec = digits.look(checks=DRIFT)
    digits.release("2")

    outcome = digits.phase("check", spec, {"window": window.outputs["window"]})

    assert outcome.verdict.status == "passed"
