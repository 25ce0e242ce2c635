"""The monitor on real models: what it must see, what must not disturb it."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from mlops_dag_factory.spec import IngestSpec
from mlops_provider.runtime.monitor.decide import read_decisions
from mlops_provider.runtime.table import read_frame

LABELS = {"source": "labels", "column": "target"}
DRIFT = {"data_drift": {"share": 0.3, "threshold": 0.25}}


def rule(outcome, name):
    [found] = [rule for rule in outcome.verdict.rules if rule.rule == name]
    return found


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
    assert files == {"report.html", "report.json", "report.md"}


def test_the_scores_are_the_distances_that_they_say(digits):
    moved = digits.rows.assign(pixel_2_4=digits.rows["pixel_2_4"] + 3)
    digits.log(moved)

    _, outcome, _ = digits.look(checks=DRIFT)

    report = json.loads((digits.bench.store.open(outcome.outputs["report"]).folder / "report.json").read_text())
    baseline = digits.model.baseline()["pixel_2_4"]
    expected = wasserstein_distance(baseline, moved["pixel_2_4"]) / baseline.std()
    assert report["scores"]["pixel_2_4"] == pytest.approx(expected, rel=1e-3)


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


def test_labels_without_predictions_change_nothing(digits):
    digits.log(digits.rows)
    digits.deliver(["r-unknown"], [3])

    window, _, _ = digits.look(labels=LABELS, checks={"performance": ["accuracy >= 0.9"]})

    assert window.metrics["labelled"] == 0


def test_nothing_and_little_are_states_of_their_own(digits):
    window, outcome, _ = digits.look(checks=DRIFT)
    assert (window.metrics["rows"], outcome.verdict.status) == (0, "vacuous")

    digits.log(digits.rows.head(1))
    _, outcome, _ = digits.look(checks=DRIFT)
    assert outcome.verdict.status == "vacuous"
    assert "1 predictions are fewer than policy.minimum_rows" in outcome.summary


def test_bad_columns_are_named_and_the_others_still_judged(digits):
    frame = digits.rows.copy()
    names = digits.model.signature.names()
    digits.log(frame)
    folder = digits.bench.root / "store/flow/predictions/production/version=1/day=2026-01-01/hour=00"
    [file] = folder.glob("*.parquet")
    table = pd.read_parquet(file)
    table["x_pixel_1_1"] = np.nan
    table["x_pixel_1_2"] = np.inf
    table["x_pixel_1_3"] = 7.0
    table = table.drop(columns="x_pixel_1_4")
    table.to_parquet(file, index=False)

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        _, outcome, _ = digits.look(checks={**DRIFT, "data_quality": {"missing": 0.05}})

    quality = rule(outcome, "data_quality")
    assert quality.result == "failed"
    assert {"pixel_1_1", "pixel_1_2", "pixel_1_4"} <= set(quality.values)
    drift = rule(outcome, "data_drift")
    assert "pixel_1_4 is not in the prediction log" in drift.why
    assert outcome.metrics["drift_share"] >= 4 / len(names)


def test_half_written_files_are_counted_and_skipped(digits):
    digits.log(digits.rows, name="good")
    folder = digits.bench.root / "store/flow/predictions/production/version=1/day=2026-01-01/hour=00"
    (folder / "torn.parquet").write_bytes((folder / "good.parquet").read_bytes()[:500])

    window, _, _ = digits.look(checks=DRIFT)

    assert (window.metrics["rows"], window.metrics["unreadable_files"]) == (len(digits.rows), 1)


def test_january_against_july_drifts_and_two_halves_of_a_month_do_not(bench, watched, data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    frame["target"] = (frame["precip"] > 0).astype(int)
    columns = ["origin", "temp", "dewp", "humid", "wind_speed", "pressure", "visib", "target"]
    january = frame[frame["month"] == 1]
    january[january["hour"] % 2 == 0][columns].to_csv(bench.root / "january.csv", index=False)
    service = watched("january.csv", target="target")

    service.log(january[january["hour"] % 2 == 1], minutes_ago=10)
    _, same, _ = service.look(checks=DRIFT)
    assert same.verdict.status == "passed"

    service.log(frame[frame["month"] == 7])
    _, summer, _ = service.look(checks=DRIFT, window={"rows": 2000})
    assert summer.verdict.status == "blocked"
    assert "temp" in rule(summer, "data_drift").why


def test_a_new_category_and_missing_categories_are_seen(bench, watched, data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA").head(6000)
    frame["target"] = (frame["temp"] > 40).astype(int)
    frame[["origin", "humid", "target"]].to_csv(bench.root / "w.csv", index=False)
    service = watched("w.csv")

    service.log(frame.head(1000).assign(origin="ORD"), minutes_ago=10)
    _, outcome, _ = service.look(checks={"data_drift": {"share": 0.5, "threshold": 0.3}})
    assert "origin" in rule(outcome, "data_drift").values

    holes = frame.head(1000).copy()
    holes.loc[holes.index[::2], "origin"] = None
    service.log(holes)
    _, outcome, _ = service.look(checks={"data_quality": {"missing": 0.1}}, window={"rows": 1000})
    assert rule(outcome, "data_quality").values["origin"] == pytest.approx(0.5)


def test_a_decision_is_made_once_per_run_and_kept(digits):
    digits.log(digits.rows.assign(**dict.fromkeys(digits.model.signature.names(), 0.0)))
    window, check, spec = digits.look(checks=DRIFT, on_breach=["notify", "retrain"])
    inputs = {"window": window.outputs["window"], "report": check.outputs["report"]}

    first = digits.phase("decide", spec, inputs)
    again = digits.phase("decide", spec, inputs)
    digits.runs += 1
    later = digits.phase("decide", spec, inputs)

    assert first.details["actions"] == ["notify", "retrain"]
    assert again.details == first.details
    assert later.details["actions"] == ["notify"]
    assert "cooldown" in later.details["why"]
    decisions = read_decisions(digits.bench.store, "flow", "production")
    assert [entry["actions"] for entry in decisions] == [["notify", "retrain"], ["notify"]]


def test_labelled_predictions_come_back_as_training_data(digits):
    ids = digits.log(digits.rows)
    digits.deliver(ids[:100], digits.rows["target"][:100])
    source = ["sklearn:digits", "predictions"]

    ref = digits.bench.run(IngestSpec(source=source, labels=LABELS)).outputs["data"]

    assert ref.rows == 1797 + 100
    frame = read_frame(digits.bench.store, ref)
    assert frame["target"].isna().sum() == 0
    assert frame.tail(100)["pixel_3_3"].tolist() == digits.rows["pixel_3_3"][:100].tolist()


def test_regression_is_watched_too(watched):
    service = watched("sklearn:diabetes", "sklearn.linear_model.Ridge")
    ids = service.log(pd.concat([service.rows] * 2))
    service.deliver(ids, list(service.rows["target"]) * 2)

    checks = {"performance": ["rmse <= 100"], "prediction_drift": {"threshold": 0.3}}
    _, outcome, _ = service.look(labels=LABELS, checks=checks)

    assert outcome.verdict.status == "passed"
    assert outcome.metrics["rmse"] > 10
