"""Metrics: scikit-learn's own numbers for every metric of every task, on real data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn import datasets, metrics
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.metrics import METRICS, find, goodness, is_lower_better, usual
from mlops_provider.runtime.resampling import measure_quickly
from mlops_provider.store.models import Feature, Signature


class Fitted:
    """A model in memory: its signature and an estimator of scikit-learn."""

    def __init__(self, signature, estimator):
        self.signature = signature
        self.estimator = estimator

    def predict(self, frame):
        return self.estimator.predict(frame[self.signature.names()])

    def probabilities(self, frame):
        known = hasattr(self.estimator, "predict_proba")
        return self.estimator.predict_proba(frame[self.signature.names()]) if known else None


def features(names):
    return tuple(Feature(name, "float") for name in names)


def classifier(load, rename=None):
    """Fit naive Bayes, which is wrong often enough, on even rows; give the model and the odd rows."""
    frame = load(as_frame=True).frame
    if rename:
        frame["target"] = frame["target"].map(rename)
    names = [name for name in frame if name != "target"][:4]
    estimator = GaussianNB().fit(frame[names][::2], frame["target"][::2])
    kind = "string" if rename else "integer"
    classes = tuple(estimator.classes_.tolist())
    signature = Signature(
        task="classification", features=features(names), target="target", target_type=kind, classes=classes
    )
    return Fitted(signature, estimator), frame[1::2].reset_index(drop=True)


@pytest.fixture(scope="module")
def binary():
    return Answers.of(*classifier(datasets.load_breast_cancer, {0: "malignant", 1: "benign"}))


@pytest.fixture(scope="module")
def multiclass():
    return Answers.of(*classifier(datasets.load_wine))


@pytest.fixture(scope="module")
def multilabel():
    """Digits: is it even, is it above four, has it a hole."""
    data = datasets.load_digits(as_frame=True)
    names = list(data.data)[:20]
    labels = {"even": data.target % 2 == 0, "high": data.target > 4, "hole": data.target.isin([0, 6, 8, 9])}
    frame = data.data[names].assign(**{name: values.astype(int) for name, values in labels.items()})
    estimator = RandomForestClassifier(20, max_depth=4, random_state=0).fit(frame[names][::2], frame[list(labels)][::2])

    class Labels(Fitted):
        def probabilities(self, frame):
            return np.column_stack([chances[:, 1] for chances in super().probabilities(frame)])

    signature = Signature(
        task="multilabel", features=features(names), target="even,high,hole", target_type="integer",
        labels=tuple(labels),
    )  # fmt: skip
    return Answers.of(Labels(signature, estimator), frame[1::2].reset_index(drop=True))


def regressor(task="regression", **more):
    frame = datasets.load_diabetes(as_frame=True).frame
    names = [name for name in frame if name != "target"]
    estimator = Ridge().fit(frame[names][::2], frame["target"][::2])
    signature = Signature(task=task, features=features(names), target="target", target_type="float", **more)
    return Fitted(signature, estimator), frame[1::2].reset_index(drop=True)


@pytest.fixture(scope="module")
def regression():
    return Answers.of(*regressor())


@pytest.fixture(scope="module")
def ranking():
    """Diabetes patients of the same age are ranked by how far their illness went, in five grades."""
    model, frame = regressor("ranking", query="age")
    frame["target"] = pd.cut(frame["target"], 5, labels=False)
    return Answers.of(model, frame)


@pytest.fixture(scope="module")
def forecasting(data_folder):
    """Temperatures, forecast by the value three rows earlier."""
    weather = pd.read_csv(data_folder / "nyc_weather.csv")
    value = next(name for name in weather if pd.api.types.is_float_dtype(weather[name]))
    frame = pd.DataFrame({"y": weather[value].dropna().head(400).to_numpy()})
    frame["lag"] = frame["y"].shift(3).bfill() + 0.5
    frame["at"] = pd.date_range("2024-01-01", periods=len(frame), freq="D")
    signature = Signature(
        task="forecasting", features=features(["lag"]), target="y", target_type="float", timestamp="at", season=7
    )
    estimator = Ridge().fit(frame[["lag"]], frame["y"])
    return Answers.of(Fitted(signature, estimator), frame.sample(frac=1, random_state=0).reset_index(drop=True))


def test_the_metrics_of_two_classes_are_scikit_learns(binary):
    truth, predicted, positive = binary.truth, binary.predicted, "malignant"
    scores, hit = binary.probabilities[:, 1], binary.truth == "malignant"

    expected = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "precision": metrics.precision_score(truth, predicted, pos_label=positive),
        "recall": metrics.recall_score(truth, predicted, pos_label=positive),
        "f1": metrics.f1_score(truth, predicted, pos_label=positive),
        "log_loss": metrics.log_loss(truth, binary.probabilities, labels=["benign", "malignant"]),
        "roc_auc": metrics.roc_auc_score(hit, scores),
        "pr_auc": metrics.average_precision_score(hit, scores),
        "brier": metrics.brier_score_loss(hit, scores),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "specificity": metrics.recall_score(truth, predicted, pos_label="benign"),
        "mcc": metrics.matthews_corrcoef(truth, predicted),
    }

    check_all(binary, expected)


def test_the_metrics_of_more_classes_are_scikit_learns(multiclass):
    truth, predicted, chances = multiclass.truth, multiclass.predicted, multiclass.probabilities

    expected = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "log_loss": metrics.log_loss(truth, chances),
        "roc_auc": metrics.roc_auc_score(truth, chances, multi_class="ovr"),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "mcc": metrics.matthews_corrcoef(truth, predicted),
        **{f"top_{k}_accuracy": metrics.top_k_accuracy_score(truth, chances, k=k) for k in (2, 3, 5)},
    }
    for name in ("precision", "recall", "f1"):
        score = getattr(metrics, f"{name}_score")
        expected[name] = expected[f"{name}_macro"] = score(truth, predicted, average="macro")
        expected[f"{name}_weighted"] = score(truth, predicted, average="weighted")

    check_all(multiclass, expected)


def test_the_metrics_of_labels_are_scikit_learns(multilabel):
    truth, predicted, chances = multilabel.truth, multilabel.predicted, multilabel.probabilities

    expected = {
        "subset_accuracy": metrics.accuracy_score(truth, predicted),
        "hamming_loss": metrics.hamming_loss(truth, predicted),
        "label_ranking_average_precision": metrics.label_ranking_average_precision_score(truth, chances),
        "label_ranking_loss": metrics.label_ranking_loss(truth, chances),
        "coverage_error": metrics.coverage_error(truth, chances),
        "roc_auc": metrics.roc_auc_score(truth, chances, average="macro"),
        "pr_auc": metrics.average_precision_score(truth, chances, average="macro"),
    }
    for name in ("f1", "precision", "recall", "jaccard"):
        for average in ("micro", "macro", "samples"):
            score = getattr(metrics, f"{name}_score")
            expected[f"{name}_{average}"] = score(truth, predicted, average=average, zero_division=0)

    check_all(multilabel, expected)


def of_numbers(answers):
    truth, predicted = answers.truth, answers.predicted
    return {
        "mae": metrics.mean_absolute_error(truth, predicted),
        "rmse": metrics.root_mean_squared_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted),
        "mape": metrics.mean_absolute_percentage_error(truth, predicted),
        "medae": metrics.median_absolute_error(truth, predicted),
        "max_error": metrics.max_error(truth, predicted),
        "rmsle": metrics.root_mean_squared_log_error(truth, predicted),
        "wape": np.abs(truth - predicted).sum() / np.abs(truth).sum(),
        "bias": np.mean(predicted - truth),
    }


def test_the_metrics_of_numbers_are_scikit_learns(regression):
    more = {"explained_variance": metrics.explained_variance_score(regression.truth, regression.predicted)}

    check_all(regression, of_numbers(regression) | more)


def test_the_metrics_of_rankings_are_scikit_learns_of_each_query(ranking):
    told = []
    for query in np.unique(ranking.query):
        of = ranking.query == query
        grades, scores = ranking.truth[of], ranking.predicted[of]
        if len(grades) > 1 and grades.max() > 0:
            places = rankdata(-scores, method="max")
            told.append(
                {
                    "ndcg": metrics.ndcg_score([grades], [scores]),
                    "ndcg_at_5": metrics.ndcg_score([grades], [scores], k=5),
                    "ndcg_at_10": metrics.ndcg_score([grades], [scores], k=10),
                    "mrr": 1 / places[grades > 0].min(),
                    "map": metrics.average_precision_score(grades > 0, scores),
                }
            )

    assert 0 < len(told) < len(np.unique(ranking.query))  # some say nothing
    check_all(ranking, pd.DataFrame(told).mean().to_dict())


def test_the_metrics_of_forecasts_compare_with_the_naive_one(forecasting):
    order = np.argsort(forecasting.time)
    truth, predicted = pd.Series(forecasting.truth[order]), pd.Series(forecasting.predicted[order])
    naive = truth.shift(7)
    told = naive.notna()

    expected = {name: value for name, value in of_numbers(forecasting).items() if np.isfinite(value)}
    if (forecasting.truth == 0).any():
        del expected["mape"]
    expected |= {
        "mase": metrics.mean_absolute_error(truth, predicted) / metrics.mean_absolute_error(truth[told], naive[told]),
        "smape": (2 * (truth - predicted).abs() / (truth.abs() + predicted.abs())).mean(),
        "skill": 1 - metrics.mean_squared_error(truth[told], predicted[told])
        / metrics.mean_squared_error(truth[told], naive[told]),
    }  # fmt: skip

    check_all(forecasting, expected)


def check_all(answers, expected):
    """Compare every metric of the task: none is left out."""
    undefined = {}
    found = answers.measure(list(METRICS[answers.signature.kind]), undefined)

    assert set(found) | set(undefined) == set(METRICS[answers.signature.kind])
    assert set(undefined) <= {"mape"}
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["binary", "multiclass", "multilabel", "regression", "ranking", "forecasting"])
def test_a_metric_is_the_mean_of_what_its_rows_contribute(name, request):
    answers = request.getfixturevalue(name)
    for metric in METRICS[answers.signature.kind].values():
        if metric.each is None or answers.measure([metric.name], {}) == {}:
            continue
        mean = metric.each(answers).mean()

        assert metric.function(answers) == pytest.approx(mean**0.5 if metric.root else mean), metric.name


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_a_metric_of_counts_is_that_of_the_rows(name, request):
    answers = request.getfixturevalue(name)
    for seed in range(20):
        drawn = answers.take(np.random.default_rng(seed).integers(0, len(answers), 12))  # few: classes are missing
        size = drawn.codes.max() + 1
        matrix = np.zeros((1, max(size, 3), max(size, 3)))
        np.add.at(matrix[0], tuple(drawn.codes), 1)
        for metric in METRICS[answers.signature.kind].values():
            if metric.counts is not None:
                expected = drawn.measure([metric.name], {})[metric.name]
                assert metric.counts(matrix)[0] == pytest.approx(expected), metric.name


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_what_is_measured_quickly_is_what_is_measured(name, request):
    answers = request.getfixturevalue(name)
    names = list(METRICS[answers.signature.kind])
    for seed in range(20):
        drawn = answers.take(np.random.default_rng(seed).integers(0, len(answers), 12))  # few: some are not defined

        assert measure_quickly(drawn, names) == pytest.approx(drawn.measure(names, {}))


def test_rows_are_taken_with_all_that_belongs_to_them(ranking, binary):
    rows = np.array([3, 3, 1])

    taken = binary.take(rows)

    assert taken.truth.tolist() == binary.truth[rows].tolist()
    assert taken.codes.tolist() == binary.codes[:, rows].tolist()
    assert ranking.take(rows).query.tolist() == ranking.query[rows].tolist()


def test_losses_are_as_many_as_rows_and_mean_what_is_said(binary, regression, ranking, multilabel):
    for answers in (binary, regression, ranking, multilabel):
        assert answers.losses().shape == (len(answers),)
    assert binary.losses().mean() == pytest.approx(binary.measure(["log_loss"], {})["log_loss"])
    assert replace(binary, probabilities=None).losses().mean() == pytest.approx(
        1 - binary.measure(["accuracy"], {})["accuracy"]
    )
    assert regression.losses().mean() == pytest.approx(regression.measure(["mae"], {})["mae"])
    assert multilabel.losses().mean() == pytest.approx(multilabel.measure(["hamming_loss"], {})["hamming_loss"])


def test_new_classes_are_counted_and_what_they_leave_defined_is_measured():
    model, frame = classifier(datasets.load_wine)
    frame.loc[:4, "target"] = 7
    undefined = {}

    answers = Answers.of(model, frame)
    found = answers.measure(["accuracy", "recall", "top_2_accuracy", "log_loss"], undefined)

    assert answers.new_classes == {"7": 5}
    assert found["accuracy"] == metrics.accuracy_score(frame["target"], answers.predicted)
    assert found["recall"] == pytest.approx(metrics.recall_score(frame["target"], answers.predicted, average="macro"))
    assert undefined == {"log_loss": "5 of 89 rows are of classes that the model does not know"}
    assert np.isfinite(answers.losses()).all()


def test_a_metric_is_asked_for_that_does_not_exist_here():
    with pytest.raises(ConfigError, match=r"no metric acuracy for a classification of two classes\n.*mean 'accuracy'"):
        find("binary", "acuracy")


def test_a_model_without_probabilities_says_so(binary):
    undefined = {}

    found = replace(binary, probabilities=None).measure([], undefined)

    assert set(found) == {"accuracy", "precision", "recall", "f1"}
    assert undefined == dict.fromkeys(["log_loss", "roc_auc"], "the model gives no probabilities")


def test_infinite_predictions_are_counted():
    model, frame = regressor()
    frame["target"] = frame["target"] * 1.0

    class Wild(Fitted):
        def predict(self, frame):
            return np.where(np.arange(len(frame)) < 3, np.inf, super().predict(frame))

    with pytest.raises(DataError, match="predicts infinite or missing numbers in 3 of 221 rows"):
        Answers.of(Wild(model.signature, model.estimator), frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.inf}, "the target 'target' is infinite in 1 of 221 rows"),
        ({"target": np.nan}, "the target 'target' is missing in 1 of 221 rows"),
        ({"age": np.nan}, "'age' is missing in 1 of 221 rows"),
    ],
)
def test_truth_and_queries_are_complete(change, message):
    model, frame = regressor("ranking", query="age")
    for name, value in change.items():
        frame.loc[5, name] = value

    with pytest.raises(DataError, match=message):
        Answers.of(model, frame)


def test_a_label_is_yes_or_no():
    frame = datasets.load_iris(as_frame=True).frame.rename(columns={"target": "a"}).assign(b=1)
    estimator = LogisticRegression(max_iter=1000).fit(frame.iloc[:, :4], frame["a"])
    signature = Signature(
        task="multilabel", features=features(list(frame)[:4]), target="a,b", target_type="integer", labels=("a", "b")
    )

    with pytest.raises(DataError, match="the label 'a' is neither 0 nor 1 in 50 of 150 rows, for example '2'"):
        Answers.of(Fitted(signature, estimator), frame)


def test_which_way_is_better_is_known_of_every_metric():
    assert is_lower_better("log_loss")
    assert not is_lower_better("accuracy")
    assert goodness("mae", 2.0) > goodness("mae", 3.0)
    assert goodness("bias", -1.0) > goodness("bias", 2.0)
    for kind, table in METRICS.items():
        assert usual(kind)
        assert all(metric.description.endswith(".") for metric in table.values())


def test_the_page_lists_every_metric():
    page = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()

    for table in METRICS.values():
        for metrics_of in ([m for m in table.values() if m.usual], [m for m in table.values() if not m.usual]):
            assert ", ".join(f"`{metric.name}`" for metric in metrics_of) in page
