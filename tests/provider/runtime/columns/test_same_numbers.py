"""Dates, booleans, texts and whole rows are scored as Evidently, SciPy, scikit-learn and pandas do, on real data."""

from __future__ import annotations

import collections
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from mlops_provider.runtime.columns.scores import p_value, quantiles, score, unseen_categories, unseen_share
from mlops_provider.runtime.domain_classifier import FOLDS, LEAF, TREES, tell_frames_apart, tell_texts_apart

SETS = ["iris", "wine", "diabetes", "breast_cancer", "digits"]


@pytest.fixture(scope="module")
def weather(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA", parse_dates=["time_hour"])
    frame["rain"] = (frame["precip"] > 0).astype("boolean").mask(frame["pressure"].isna())
    return frame[frame["month"] == 1], frame[frame["month"] == 2]


@pytest.fixture(scope="module")
def texts():
    """The lines of what scikit-learn says of its data sets: of medicine, and of flowers, wines and digits."""

    def lines(*names):
        said = "\n".join(getattr(datasets, f"load_{name}")().DESCR for name in names)
        return pd.Series([line.strip() for line in said.splitlines() if len(line.split()) > 3])

    return lines("breast_cancer", "diabetes"), lines("iris", "wine", "digits")


@pytest.mark.parametrize("name", SETS)
def test_every_number_of_the_known_sets_is_as_far_as_scipy_says(profiled, name):
    frame = getattr(datasets, f"load_{name}")(as_frame=True).data
    half = len(frame) // 2

    for column in frame:
        before, after = frame[column][:half], frame[column][half:]
        baseline = profiled(before)
        window = profiled(after, like=baseline)
        spread = before.std(ddof=0)
        if spread > 0:
            distance = stats.wasserstein_distance(before, after) / spread
            assert score(baseline, window) == pytest.approx(distance, abs=1e-5), column
        assert score(baseline, window, "ks") == pytest.approx(stats.ks_2samp(before, after).statistic, abs=1e-4), column


@pytest.mark.parametrize(
    ("method", "within"), [("wasserstein", 1e-5), ("jensenshannon", 2e-3), ("psi", 1e-2), ("hellinger", 1e-2)]
)
def test_dates_are_scored_as_evidently_scores_their_seconds(profiled, weather, evidently, method, within):
    before, after = (side["time_hour"] for side in weather)
    seconds = [(side - pd.Timestamp(0, tz="UTC")).dt.total_seconds() for side in (before, after)]
    baseline = profiled(before, "time")

    found = score(baseline, profiled(after, "time", like=baseline), method)

    assert found == pytest.approx(evidently(method, *seconds, numeric=True), abs=within)


def test_dates_of_one_kind_are_one_however_they_are_written(profiled, weather):
    moments = weather[0]["time_hour"]
    baseline = profiled(moments, "time")

    for written in (
        moments.dt.tz_convert("America/New_York"),
        moments.dt.tz_localize(None),
        moments.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        moments.dt.tz_convert("America/New_York").map(pd.Timestamp.isoformat),
    ):
        assert score(baseline, profiled(written, "time", like=baseline)) == 0


@pytest.mark.parametrize("method", ["jensenshannon", "psi", "hellinger", "chisquare"])
def test_booleans_are_scored_as_evidently_scores_two_categories(profiled, weather, evidently, method):
    before, after = (side["rain"] for side in weather)
    baseline, window = profiled(before, "boolean"), profiled(after, "boolean")
    words = [side.astype("string") for side in (before, after)]

    expected = evidently(method, *words, numeric=False)
    found = p_value(baseline, window) if method == "chisquare" else score(baseline, window, method)

    assert found == pytest.approx(expected, rel=1e-9)
    assert baseline.missing_share == pytest.approx(before.isna().mean())


@pytest.mark.parametrize("column", ["wind_gust", "precip", "temp", "visib"])
def test_missing_share_and_quantiles_are_those_of_pandas(profiled, weather, column):
    values, shares = weather[0][column], (0.05, 0.5, 0.95)

    profile = profiled(values)

    assert profile.missing_share == values.isna().mean()
    expected = np.quantile(values.dropna(), shares, method="inverted_cdf")
    assert quantiles(profile, shares) == pytest.approx(expected, abs=np.ptp(values.dropna()) / 200)


def test_categories_that_are_new_are_those_that_pandas_does_not_find(profiled, weather):
    before = weather[0]["wind_dir"].dropna().astype(int).astype(str)
    after = weather[1]["wind_dir"].dropna().astype(int).astype(str).replace({"330": "331", "10": "11"})
    baseline, window = profiled(before, "category"), profiled(after, "category")

    new = after[~after.isin(before)]

    assert set(new) == {"331", "11"}
    assert unseen_categories(baseline, window) == new.value_counts().to_dict()
    assert unseen_share(baseline, window) == pytest.approx(len(new) / len(after))


def test_the_length_of_texts_is_scored_as_evidently_scores_their_lengths(profiled, texts, evidently):
    before, after = texts
    baseline = profiled(before, "text")

    found = score(baseline, profiled(after, "text", like=baseline), "length")

    lengths = [side.str.len().astype(float) for side in texts]
    assert found == pytest.approx(evidently("wasserstein", *lengths, numeric=True), abs=1e-5)


def test_words_are_new_or_more_frequent_as_counting_them_says(profiled, texts):
    before, after = (collections.Counter(re.findall(r"\w+", " ".join(side).lower())) for side in texts)
    baseline = profiled(texts[0], "text")
    window = profiled(texts[1], "text", like=baseline)

    new = sum(count for word, count in after.items() if word not in before)

    assert score(baseline, window, "vocabulary") == pytest.approx(new / after.total())
    every = sorted(before | after)
    shares = [[side[word] / side.total() for word in every] for side in (before, after)]
    assert score(baseline, window, "jensenshannon") == pytest.approx(jensenshannon(*shares), rel=1e-9)


def test_embeddings_are_told_apart_as_scikit_learn_does_and_as_evidently_judges(texts):
    from evidently.legacy.utils.data_drift_utils import calculate_text_drift_score

    before, after = (side.tolist() for side in texts)
    same = [*before, *after]
    truth = np.repeat([0, 1], [len(before), len(after)])
    words = HashingVectorizer(n_features=2**12, ngram_range=(1, 2)).transform([*before, *after])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    chances = cross_val_predict(LogisticRegression(max_iter=500), words, truth, cv=folds, method="predict_proba")

    found = tell_texts_apart(before, after).auc

    assert found == pytest.approx(roc_auc_score(truth, chances[:, 1]), abs=1e-9)
    for sides in ((before, after), (same[::2], same[1::2])):
        _, drifted = calculate_text_drift_score(*map(pd.Series, sides), bootstrap=True)
        assert (tell_texts_apart(*sides).auc >= 0.6) is bool(drifted)


def test_rows_are_told_apart_as_scikit_learn_does(weather):
    before, after = (side[["temp", "dewp", "visib"]].dropna().head(600) for side in weather)
    truth = np.repeat([0, 1], [len(before), len(after)])
    forest = RandomForestClassifier(n_estimators=TREES, min_samples_leaf=LEAF, random_state=0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    chances = cross_val_predict(forest, pd.concat([before, after]), truth, cv=folds, method="predict_proba")

    told = tell_frames_apart(before, after, frozenset(before), 1_000)

    assert told.auc == pytest.approx(roc_auc_score(truth, chances[:, 1]), abs=1e-9)
    assert told.rows == len(before) + len(after)
