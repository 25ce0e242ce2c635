"""Estimates without labels: what they say, how far they are off, and where there is none."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from mlops_dag_factory.spec import EvaluateSpec
from mlops_provider.exceptions import DataError
from mlops_provider.runtime.monitor.performance.estimate import Calibrator, Scored, estimable, estimate
from mlops_provider.runtime.monitor.performance.estimate_history import look_back
from mlops_provider.runtime.monitor.performance.log_answers import answers_of
from mlops_provider.runtime.monitor.performance.reference import asking_the_model
from mlops_provider.store.models import Signature

LABELS = {"source": "labels", "column": "target"}
BINARY = Signature(task="classification", features=(), target="y", target_type="integer", classes=(0, 1))


def rule(outcome, name):
    [found] = [rule for rule in outcome.verdict.rules if rule.rule == name]
    return found


def content(service, outcome):
    return json.loads((service.report(outcome) / "report.json").read_text())["performance"]["estimate"]


def table_of(predicted, probability, truth):
    return pd.DataFrame({"request_id": "r", "prediction": predicted, "probability": probability, "truth": truth})


def test_where_probabilities_keep_their_word_every_estimate_comes_true():
    random = np.random.default_rng(7)
    chance = random.beta(0.6, 0.9, 40_000)
    truth = (random.random(len(chance)) < chance).astype(int)
    predicted = (chance >= 0.4).astype(int)
    rows = Scored.of(BINARY, predicted, np.where(predicted == 1, chance, 1 - chance))
    honest = Calibrator(np.array([0.0, 1.0]), np.array([0.0, 1.0]), rows=1, ece=0.0)

    found = estimate(BINARY, rows, honest)

    names = estimable(BINARY)
    probability = np.where(predicted == 1, chance, 1 - chance)
    true = answers_of(BINARY, table_of(predicted, probability, truth)).measure(names, {})
    assert set(found.metrics) == set(names) == set(true)
    for name in names:
        assert abs(found.metrics[name] - true[name]) < 4 * found.errors[name], name
        assert 0 < found.errors[name] < 0.01
    assert found.metrics["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, chance), abs=0.01)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_who_is_certain_and_right_is_estimated_exactly(rows):
    truth, predicted = (np.array(side, dtype=int) for side in zip(*rows, strict=True))
    probability = (truth == predicted).astype(float)
    certain = Calibrator(np.array([0.0, 1.0]), np.array([0.0, 1.0]), rows=1, ece=0.0)

    found = estimate(BINARY, Scored.of(BINARY, predicted, probability), certain)

    true = answers_of(BINARY, table_of(predicted, probability, truth)).measure(list(found.metrics), {})
    assert found.metrics == pytest.approx({name: true.get(name, 0.0) for name in found.metrics}, abs=1e-9)
    assert max(found.errors.values()) == pytest.approx(0)


def test_probabilities_that_claim_too_much_are_calibrated_first():
    random = np.random.default_rng(1)
    chance = random.uniform(0.3, 0.9, 20_000)
    said = np.clip(0.5 + (chance - 0.5) * 2, 0.01, 0.99)
    truth = (random.random(len(chance)) < chance).astype(int)
    predicted = (said >= 0.5).astype(int)
    rows = Scored.of(BINARY, predicted, np.where(predicted == 1, said, 1 - said), truth)

    calibrator = Calibrator.of(rows.take(slice(0, 10_000)))
    found = estimate(BINARY, rows.take(slice(10_000, None)), calibrator)

    true = metrics.accuracy_score(truth[10_000:], predicted[10_000:])
    assert found.metrics["accuracy"] == pytest.approx(true, abs=0.015)
    assert np.where(predicted == 1, said, 1 - said).mean() > true + 0.1
    assert calibrator.ece > 0.1


def test_each_stretch_is_estimated_from_what_was_known_before_it():
    random = np.random.default_rng(2)
    probability, predicted = random.uniform(0.5, 1, 3000), np.ones(3000, dtype=int)
    truth = (random.random(3000) < np.where(np.arange(3000) < 1500, probability, 0.2)).astype(int)
    rows = Scored.of(BINARY, predicted, probability, truth)
    answers = answers_of(BINARY, table_of(predicted, probability, truth))

    points = look_back(BINARY, rows, answers, list(map(str, range(3000))), None, ["accuracy"], rows=500)

    assert [point.at for point in points] == ["999", "1499", "1999", "2499", "2999"]
    for number, point in enumerate(points, start=1):
        assert point.realised["accuracy"] == pytest.approx(truth[number * 500 : number * 500 + 500].mean())
    assert points[2].estimated["accuracy"] == pytest.approx(0.75, abs=0.03)  # nothing told that the concept had gone
    assert points[2].realised["accuracy"] < 0.25
    assert points[4].estimated["accuracy"] < points[3].estimated["accuracy"] < points[2].estimated["accuracy"]


@pytest.fixture(scope="module")
def days(data_folder, tmp_path_factory):
    """Nebraska's weather, in the order of the days: the first eight years, which a model learns, and those after."""
    frame = pd.read_csv(data_folder / "noaa_weather.csv")
    file = tmp_path_factory.mktemp("noaa") / "noaa.csv"
    frame.head(3000).to_csv(file, index=False)
    return file, frame.iloc[3000:].reset_index(drop=True)


@pytest.fixture
def weather(trained, days):
    service = trained(days[0], "sklearn.ensemble.HistGradientBoostingClassifier", parameters={"max_iter": 60}, seed=1)
    service.later = days[1]
    return service


def evaluate(service, frame):
    """Evaluate the model in the run that trained it."""
    frame.to_csv(service.bench.root / "unseen.csv", index=False)
    data = service.bench.dataset("unseen.csv")
    spec = EvaluateSpec(model="m", data="d", slices="none")
    service.bench.run(spec, {"model": service.ref, "data": data}, phase="quality")


def test_drifting_years_are_estimated_with_a_mean_error_below_four_points_which_is_told(weather):
    evaluate(weather, weather.later.head(1000))
    later = weather.later.iloc[1000:]
    chances = weather.model.probabilities(later).max(axis=1)
    window = later.tail(1200)
    asked = 14
    for hour, rows in enumerate(np.array_split(np.arange(len(later) - len(window)), asked)):
        part = later.iloc[rows]
        ids = weather.log(part, minutes_ago=60 * (asked - hour), probability=chances[rows])
        weather.deliver(ids, part["target"], name=f"{hour:02d}.csv")
    weather.log(window, probability=chances[-len(window) :])
    gates = ["estimated_accuracy >= 0.5", "estimated_f1.low >= 0.9", "estimate_error <= 0.04", "accuracy >= 0.5"]

    _, outcome, _ = weather.look(labels=LABELS, window={"rows": 1200}, checks={"performance": gates})

    found = content(weather, outcome)
    assert found["calibrated_on"] == f"{len(later) - len(window):,} earlier predictions whose outcome is known"
    true = {
        "accuracy": metrics.accuracy_score(window["target"], weather.model.predict(window)),
        "f1": metrics.f1_score(window["target"], weather.model.predict(window)),
    }
    for name, value in true.items():
        low, high = found["intervals"][name]
        assert low <= value <= high
        assert high - low < 0.25
    gaps = [abs(point["estimated"]["accuracy"] - point["realised"]["accuracy"]) for point in found["points"]]
    assert len(gaps) >= 10
    assert outcome.metrics["estimate_error"] == pytest.approx(np.mean(gaps))
    assert 0.005 < outcome.metrics["estimate_error"] < 0.035
    assert max(gaps) < 0.08
    assert [rule(outcome, gate).result for gate in gates] == ["passed", "failed", "passed", "not_applicable"]
    page = (weather.report(outcome) / "report.html").read_text()
    assert "Estimate without labels" in page
    assert page.count("estimated before") == 3


def test_before_any_label_the_rows_of_the_evaluation_calibrate(weather):
    evaluate(weather, weather.later.head(1000))
    window = weather.later.iloc[1000:2500]
    weather.log(window, probability=weather.model.probabilities(window).max(axis=1))
    gates = ["estimated_accuracy >= 0.9", "estimate_error <= 0.1"]

    _, outcome, _ = weather.look(checks={"performance": gates})

    true = metrics.accuracy_score(window["target"], weather.model.predict(window))
    assert outcome.metrics["estimated_accuracy"] == pytest.approx(true, abs=0.04)
    assert content(weather, outcome)["calibrated_on"] == "1,000 rows that the model was evaluated on"
    assert [rule(outcome, gate).result for gate in gates] == ["failed", "not_applicable"]
    assert rule(outcome, gates[1]).why == "there are fewer than three earlier stretches with labels"


def test_of_more_classes_the_log_tells_the_accuracy_alone(digits):
    digits.bench.run(EvaluateSpec(model="m", data="d"), {"model": digits.ref, "data": digits.test}, phase="quality")
    digits.log(digits.rows, probability=digits.model.probabilities(digits.rows).max(axis=1))
    gates = ["estimated_accuracy >= 0.9", "estimated_f1 >= 0.9"]

    _, outcome, _ = digits.look(checks={"performance": gates})

    true = metrics.accuracy_score(digits.rows["target"], digits.model.predict(digits.rows))
    assert outcome.metrics["estimated_accuracy"] == pytest.approx(true, abs=0.001)  # they are the calibration's rows
    assert [rule(outcome, gate).result for gate in gates] == ["passed", "not_applicable"]
    assert "enough for accuracy" in rule(outcome, "estimated_f1 >= 0.9").why


def test_a_model_that_is_damaged_has_no_estimate_and_the_other_checks_go_on(digits):
    digits.bench.run(EvaluateSpec(model="m", data="d", slices="none"), {"model": digits.ref, "data": digits.test})
    digits.deliver(digits.log(digits.rows), digits.rows["target"])
    [file] = digits.bench.store.open(digits.ref).folder.glob("model.skops")
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[100] ^= 255
    file.write_bytes(content)

    gates = ["accuracy >= 0.9", "estimated_accuracy >= 0.9", "importance_correlation >= 0"]
    _, outcome, _ = digits.look(labels=LABELS, checks={"performance": gates, "importance": {}})

    assert [rule(outcome, gate).result for gate in gates] == ["passed", "not_applicable", "not_applicable"]
    assert "neither of an evaluation (" in rule(outcome, gates[1]).why
    assert rule(outcome, "importance_correlation").result == "warned"


def test_what_a_model_raises_is_an_error_of_the_data():
    with pytest.raises(DataError, match="the model fails here: KeyError: 'age'"), asking_the_model():
        raise KeyError("age")


def test_where_nothing_can_be_estimated_it_says_why(digits):
    digits.log(digits.rows)
    _, outcome, _ = digits.look(checks={"performance": ["estimated_accuracy >= 0.9"]})
    assert outcome.verdict.status == "vacuous"
    assert "neither of an evaluation nor 500 of the log" in rule(outcome, "estimated_accuracy >= 0.9").why
