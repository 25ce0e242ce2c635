"""Slices: what was planted is found first and said in words, and noise shows nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, fisher_exact, mannwhitneyu
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.naive_bayes import GaussianNB

from mlops_dag_factory.spec.evaluate import SlicesSpec
from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.slices import find_slices, worst_values
from mlops_provider.runtime.slices.evidence import Evidence, discoveries
from mlops_provider.store.models import Feature, Signature


def signature(task, frame, names, **more):
    features = tuple(Feature(name, "float") for name in names)
    return Signature(task=task, features=features, target="target", target_type="float", **more)


def errors(frame, losses, **more):
    """Answers of a regression that errs by so much."""
    losses = np.asarray(losses, dtype=float)
    of = signature("regression", frame, list(frame.columns), **more)
    return Answers(signature=of, truth=np.zeros(len(losses)), predicted=losses)


def noise(rows, seed, kind):
    """A model that errs alike everywhere: one row in ten, or with a heavy tail."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x{i}": random.normal(size=rows) for i in range(6)})
    frame["letter"] = random.choice(list("abcde"), rows)
    wrong = (random.random(rows) < 0.1).astype(float)
    return frame, wrong if kind == "wrong" else random.exponential(size=rows) ** 3


@pytest.fixture(scope="module")
def weather(data_folder):
    """New York's weather with a temperature learned from everything else, on every other row."""
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA", parse_dates=["time_hour"])
    frame = frame.dropna(subset=["temp", "dewp", "humid", "pressure"]).rename(columns={"temp": "target"})
    names = ["month", "hour", "dewp", "pressure"]
    model = HistGradientBoostingRegressor(max_iter=30, random_state=0).fit(frame[names][::2], frame["target"][::2])
    rows = frame[1::2].reset_index(drop=True)
    of = signature("regression", rows, [*names, "origin", "wind_gust"])
    predicted = model.predict(rows[names])
    return rows, lambda truth: Answers(signature=of, truth=truth.to_numpy(dtype=float), predicted=predicted)


@pytest.mark.parametrize("sure", [True, False])
def test_broken_labels_of_a_region_are_found_first(sure):
    frame = load_breast_cancer(as_frame=True).frame
    names = list(frame.columns[:-1])
    model = GaussianNB().fit(frame[names][::2], frame["target"][::2])
    rows = frame[1::2].reset_index(drop=True)
    broken = (rows["mean radius"] > 13) & (rows["mean texture"] > 20)
    rows.loc[broken, "target"] = 1 - rows.loc[broken, "target"]
    answers = Answers(
        signature=signature("classification", rows, names[:2], classes=(0, 1)),
        truth=rows["target"].to_numpy(),
        predicted=model.predict(rows[names]),
        probabilities=model.predict_proba(rows[names]) if sure else None,
    )

    found = find_slices(answers, rows, "auto")

    worst = found.slices[0]
    assert [text.split(" > ")[0] for text in worst.conditions] == ["mean radius", "mean texture"]
    assert worst.metrics["accuracy"] < 0.3
    if not sure:  # with probabilities the surest mistakes come first: a part of the region
        assert worst.rows == pytest.approx(broken.sum(), rel=0.25)
    assert worst.p_value < 1e-9
    assert all(row["truth"] != row["prediction"] for row in worst.worst_rows)


def test_wrong_thermometers_at_one_airport_by_night_are_found_first(weather):
    rows, answers = weather
    broken = (rows["origin"] == "JFK") & (rows["hour"] <= 4)

    found = find_slices(answers(rows["target"] + 25.0 * broken), rows, "auto")

    worst = found.slices[0]
    assert worst.text == "hour <= 4 and origin = JFK"
    assert worst.rows == broken.sum()
    assert worst.loss > 3 * worst.rest_loss
    assert set(worst.worst_rows[0]["values"]) >= {"hour", "origin"}


def test_missing_values_are_a_slice_of_their_own(weather):
    rows, answers = weather
    broken = rows["wind_gust"].isna() & (rows["month"] <= 3)

    found = find_slices(answers(rows["target"] + 30.0 * broken), rows, "auto")

    assert found.slices[0].text == "month <= 3 and wind_gust is missing"


@pytest.mark.parametrize("kind", ["wrong", "tail"])
@pytest.mark.parametrize("rows", [200, 3000])
def test_noise_shows_no_slice(kind, rows):
    seeds = range(25)

    shown = [seed for seed in seeds if len(find_slices(*reversed(case(rows, seed, kind)), "auto"))]

    assert len(shown) <= 2  # at 5 %, 1.25 are to be expected


def case(rows, seed, kind):
    frame, losses = noise(rows, seed, kind)
    return frame, errors(frame, losses)


def test_three_conditions_are_found_where_they_are_asked_for():
    frame, losses = noise(6000, 1, "wrong")
    region = (frame["x0"] > 0) & (frame["x1"] > 0) & (frame["letter"] == "c")
    answers = errors(frame, np.where(region, 1.0, losses))

    found = find_slices(answers, frame, SlicesSpec(depth=3))

    assert [text.split()[0] for text in found.slices[0].conditions] == ["x0", "x1", "letter"]


def test_the_same_rows_are_shown_once():
    frame, losses = noise(2000, 2, "wrong")
    frame["copy"], frame["nearly"] = frame["x0"], frame["x0"] + 1e-3 * frame["x1"]
    answers = errors(frame, np.where(frame["x0"] > 1.2, 1.0, losses))

    found = find_slices(answers, frame, "auto")

    assert len(found) == 1
    assert len(found.slices[0].conditions) == 1


def test_rare_values_are_taken_together_and_markup_stays_text():
    random = np.random.default_rng(0)
    values = np.array(["<script>", *[f"rare {i}" for i in range(20)]])
    frame = pd.DataFrame({"town": values[np.minimum(random.integers(0, 60, 1200), 20)]})
    frame.loc[:399, "town"] = "<script>"
    answers = errors(
        frame, np.where(frame["town"] == "rare 20", 0.0, random.random(1200) / 10) + (frame["town"] == "<script>")
    )

    found = find_slices(answers, frame, SlicesSpec(minimum_rows=100))

    assert found.slices[0].text == "town = <script>"
    worst = worst_values(answers, frame, SlicesSpec(minimum_rows=100), ["mae"])
    assert worst["mae"].slice == "town = <script>"


def test_columns_that_cannot_be_cut_are_told():
    frame, losses = noise(500, 3, "wrong")
    frame["id"] = [f"row {i}" for i in range(500)]
    frame["same"], frame["never"] = 1.0, np.nan
    frame["endless"] = np.where(frame["x0"] > 1, np.inf, np.where(frame["x0"] < -1, -np.inf, frame["x0"]))
    frame["list"] = [[1]] * 500

    found = find_slices(errors(frame, losses), frame, "auto")

    assert found.skipped["id"] == "nearly every row has a value of its own"
    assert found.skipped["same"] == found.skipped["never"] == "it has one value only"
    assert "list" in found.skipped
    assert found.columns == 8


def test_a_column_that_is_not_there_is_an_error():
    frame, losses = noise(500, 3, "wrong")

    with pytest.raises(MlopsError, match="no column 'twon'"):
        find_slices(errors(frame, losses), frame, SlicesSpec(columns=["twon"]))


def test_a_forecast_is_cut_by_its_time(weather):
    rows, answers = weather
    late = rows["time_hour"] > pd.Timestamp("2013-11-20", tz="UTC")
    of = signature("forecasting", rows, ["dewp"], timestamp="time_hour")
    base = answers(rows["target"] + 30.0 * late)
    forecast = Answers(signature=of, truth=base.truth, predicted=base.predicted)

    found = find_slices(forecast, rows, "auto")

    assert found.slices[0].text.startswith("time_hour > 2013-11-")


def test_a_ranking_is_cut_by_its_queries():
    random = np.random.default_rng(4)
    query = np.repeat(np.arange(300), 8)
    frame = pd.DataFrame({"x": random.normal(size=2400), "country": np.array(list("abc"))[query % 3]})
    grades = frame.groupby(query)["x"].rank().to_numpy().astype(int) // 3
    score = np.where(frame["country"] == "b", -frame["x"], frame["x"]).astype(float)
    of = signature("ranking", frame, ["x", "country"], query="q")
    frame["q"] = query
    answers = Answers(signature=of, truth=grades.astype(float), predicted=score, query=query)

    found = find_slices(answers, frame, "auto")

    assert (found.units, found.rows) == ("queries", 300)
    assert found.slices[0].text == "country = b"
    assert found.slices[0].rows == 100
    assert len({row["values"]["q"] for row in found.slices[0].worst_rows}) >= 3


def test_several_labels_have_slices_too():
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"x": random.normal(size=900), "kind": random.choice(["new", "old"], 900)})
    truth = random.integers(0, 2, (900, 3))
    wrong = random.random((900, 3)) < np.where(frame["kind"] == "new", 0.6, 0.05)[:, None]
    of = signature("multilabel", frame, ["x", "kind"], labels=("a", "b", "c"))

    found = find_slices(Answers(signature=of, truth=truth, predicted=truth ^ wrong), frame, "auto")

    assert found.slices[0].text == "kind = new"
    assert isinstance(found.slices[0].worst_rows[0]["truth"], str)


def test_values_of_masked_columns_are_hidden():
    frame, losses = noise(1000, 6, "wrong")
    answers = errors(frame, np.where(frame["letter"] == "a", 1.0, losses))

    found = find_slices(answers, frame, "auto", masked={"x0"})

    values = found.slices[0].worst_rows[0]["values"]
    assert values["x0"] == "•••"
    assert values["letter"] == "a"


def test_the_worst_value_of_a_metric_is_that_of_its_slice(weather):
    rows, answers = weather
    broken = answers(rows["target"] + 25.0 * (rows["origin"] == "LGA"))

    worst = worst_values(broken, rows, SlicesSpec(columns=["origin"]), ["mae", "r2"])

    part = (rows["origin"] == "LGA").to_numpy()
    assert worst["mae"].slice == "origin = LGA"
    assert worst["mae"].rows == part.sum()
    assert worst["mae"].value == pytest.approx(mean_absolute_error(broken.truth[part], broken.predicted[part]))
    assert worst["r2"].value < 0


def test_a_recall_of_a_few_rows_says_nothing():
    random = np.random.default_rng(9)
    frame = pd.DataFrame({"town": np.repeat(["few", "half"], 200)})
    truth = np.where(frame["town"] == "few", np.arange(400) < 3, random.random(400) < 0.5).astype(int)
    of = signature("classification", frame, ["town"], classes=(0, 1))
    answers = Answers(signature=of, truth=truth, predicted=np.where(frame["town"] == "few", 0, truth))

    worst = worst_values(answers, frame, "auto", ["recall", "accuracy"])

    assert (worst["recall"].slice, worst["recall"].value) == ("town = half", 1.0)
    assert worst["accuracy"].slice == "town = few"


def test_none_looks_for_nothing():
    frame, losses = noise(500, 7, "wrong")
    answers = errors(frame, np.where(frame["x0"] > 0, 1.0, losses))

    assert not len(find_slices(answers, frame, "none"))
    assert worst_values(answers, frame, "none", ["mae"]) == {}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(40, 400), st.integers(10, 60), st.integers(1, 3))
def test_slices_keep_to_what_was_asked(seed, rows, minimum, depth):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"n": random.integers(0, 4, rows), "x": random.normal(size=rows), "c": random.choice(["u", "v"], rows)}
    )
    frame.loc[random.random(rows) < 0.2, "x"] = np.nan
    losses = random.random(rows) + 3.0 * ((frame["n"] == 1) & (frame["c"] == "u"))

    found = find_slices(errors(frame, losses), frame, SlicesSpec(minimum_rows=minimum, depth=depth, show=4))

    assert len(found) <= 4
    for one in found:
        assert minimum <= one.rows <= rows - minimum
        assert len(one.conditions) <= depth
        assert one.loss >= 1.1 * one.rest_loss
        assert one.rows * one.loss + (rows - one.rows) * one.rest_loss == pytest.approx(losses.sum())
    assert find_slices(errors(frame, losses), frame, SlicesSpec(minimum_rows=minimum, depth=depth, show=4)) == found


def test_p_values_are_scipys():
    random = np.random.default_rng(8)
    part = random.random(400) < 0.3
    wrong, sizes = (random.random(400) < 0.2).astype(float), random.exponential(size=400)

    counts = np.array([part.sum()])
    exact = Evidence.of(wrong).p_values(counts, np.array([wrong[part].sum()]))
    evidence = Evidence.of(sizes)
    ranks = evidence.p_values(counts, np.array([evidence.scores[part].sum()]))

    table = [[wrong[part].sum(), (1 - wrong[part]).sum()], [wrong[~part].sum(), (1 - wrong[~part]).sum()]]
    assert exact[0] == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    whitney = mannwhitneyu(sizes[part], sizes[~part], alternative="greater", use_continuity=False, method="asymptotic")
    assert ranks[0] == pytest.approx(whitney.pvalue, rel=1e-2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_discoveries_are_those_of_benjamini_and_hochberg(p_values):
    expected = false_discovery_control(p_values) <= 0.05

    assert discoveries(p_values, len(p_values), 0.05) == expected.tolist()
