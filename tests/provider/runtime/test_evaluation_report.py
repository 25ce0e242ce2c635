"""The report of an evaluation: what every task's page holds, equal bytes, escaped text, and Evidently's own page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_multilabel_classification
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, roc_auc_score
from sklearn.naive_bayes import GaussianNB

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.spec.evaluate import EvaluateSpec, SlicesSpec
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.error_analysis import confusion_pairs, worst_rows
from mlops_provider.runtime.evaluation import Evaluation, EvidentlyPage, write_report
from mlops_provider.runtime.evaluation.evidently_page import numbered
from mlops_provider.runtime.gains import Gain
from mlops_provider.runtime.measurement import Measurement
from mlops_provider.runtime.plots.chart import Axis
from mlops_provider.runtime.slices import find_slices, worst_values
from mlops_provider.store.models import Feature, Signature
from mlops_provider.verdicts import RuleResult, Verdict

CONTEXT = RunContext(workflow="flow", run_id="run-1", phase="quality", store_url="memory://")


def signature(task, names, target="target", **more):
    features = tuple(Feature(name, "float") for name in names)
    return Signature(task=task, features=features, target=target, target_type="float", **more)


def classified(load, rename=str):
    """Naive Bayes on every other row; gives answers and rows."""
    frame = load(as_frame=True).frame
    names = list(frame.columns[:-1])
    model = GaussianNB().fit(frame[names][::2], frame["target"][::2].map(rename))
    rows = frame[1::2].reset_index(drop=True)
    answers = Answers(
        signature=signature("classification", names, classes=tuple(model.classes_.tolist())),
        truth=rows["target"].map(rename).to_numpy(dtype=object),
        predicted=model.predict(rows[names]).astype(object),
        probabilities=model.predict_proba(rows[names]),
    )
    return answers, rows


def binary():
    return classified(load_breast_cancer, ["malignant", "benign"].__getitem__)


def regression():
    frame = load_diabetes(as_frame=True).frame
    names = list(frame.columns[:-1])
    predicted = Ridge().fit(frame[names], frame["target"]).predict(frame[names])
    return Answers(
        signature=signature("regression", names), truth=frame["target"].to_numpy(), predicted=predicted
    ), frame


def forecasting(data_folder):
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA", parse_dates=["time_hour"])
    frame = frame[frame["origin"] == "EWR"].dropna(subset=["temp", "dewp"]).reset_index(drop=True)
    of = signature("forecasting", ["dewp"], target="temp", timestamp="time_hour", season=24)
    truth = frame["temp"].to_numpy()
    naive = np.concatenate([np.full(24, np.nan), truth[:-24]])
    return Answers(
        signature=of, truth=truth, predicted=np.roll(truth, 24), time=np.arange(len(truth)), naive=naive
    ), frame


def ranking():
    random = np.random.default_rng(0)
    query = np.repeat(np.arange(60), 6)
    frame = pd.DataFrame({"q": query, "x": random.normal(size=360)})
    truth = np.clip(np.round(frame["x"] + random.normal(size=360)), 0, 3).to_numpy()
    of = signature("ranking", ["x"], query="q")
    return Answers(signature=of, truth=truth, predicted=frame["x"].to_numpy(), query=query), frame


def multilabel():
    inputs, truth = make_multilabel_classification(600, n_classes=3, n_labels=2, random_state=0)
    frame = pd.DataFrame(inputs, columns=[f"w{i}" for i in range(inputs.shape[1])])
    models = [LogisticRegression(max_iter=1000).fit(inputs, truth[:, i]) for i in range(3)]
    chances = np.stack([model.predict_proba(inputs)[:, 1] for model in models], axis=1)
    of = signature("multilabel", list(frame.columns), labels=("sport", "music", "tech"))
    return Answers(signature=of, truth=truth, predicted=(chances > 0.5).astype(int), probabilities=chances), frame


def evaluation(answers, frame, **more):
    measuring = {name: more.pop(name) for name in ("champion", "intervals", "gain", "undefined") if name in more}
    undefined = {}
    metrics = answers.measure([], undefined)
    measured = Measurement(**{"metrics": metrics, "n": len(frame), "undefined": undefined, **measuring})
    rules = [
        RuleResult(rule=f"{name} < 100", result="passed", why=f"{name} holds", values={name: value})
        for name, value in metrics.items()
    ]
    fields = {"verdict": Verdict.of(rules), "slices": find_slices(answers, frame, "auto"), **more}
    return Evaluation(answers=answers, frame=frame, measured=measured, **fields)


def written(folder, found):
    folder.mkdir(exist_ok=True)
    write_report(folder, CONTEXT, found, "Summary.\n")
    return (folder / "report.html").read_text(), json.loads((folder / "report.json").read_text())


class Balanced(HTMLParser):
    """Fails at an end tag that closes something else; collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.scripts = [], [], 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script" or any(name.startswith("on") for name, _ in attrs)
        if tag not in {"meta", "br", "html"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag != "html":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def looked_at(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "nan" not in re.findall(
        r"[a-z]+", " ".join(re.findall(r"(?:points|cx|cy|x|y|width|height)='?([^'>]*)", html))
    )
    return parser


PLOTS = {
    "binary": ["Confusion", "ROC", "Precision and recall", "Scores by true class", "Gains", "Reliability", "Brier"],
    "digits": ["Confusion", "ROC", "highest probability", "Taken for one another"],
    "regression": ["Predicted against true", "Errors by prediction", "Size of errors", "|error| at most"],
    "forecasting": ["Forecast over time", "Error, oldest to newest", "Size of errors"],
    "ranking": ["ndcg by query", "Rows in a query"],
    "multilabel": ["Wrong labels in a row", "ROC", "Reliability", "sport"],
}


@pytest.fixture
def case(request, data_folder):
    makers = {
        "binary": binary,
        "digits": lambda: classified(load_digits),
        "regression": regression,
        "forecasting": lambda: forecasting(data_folder),
        "ranking": ranking,
        "multilabel": multilabel,
    }
    return request.param, *makers[request.param]()


@pytest.mark.parametrize("case", PLOTS, indirect=True)
def test_every_task_has_its_page(tmp_path, case):
    name, answers, frame = case
    found = evaluation(answers, frame, lineage={"data": "sha256:abc"})

    html, content = written(tmp_path / "one", found)

    page = looked_at(html)
    text = " ".join(page.text)
    for words in [*PLOTS[name], "Worst slices", "sha256:abc", "run-1", *found.measured.metrics]:
        assert words in text
    places = [html.index(f"<h2>{title}") for title in ("Metrics", "Worst slices", "Plots", "Where it errs", "Lineage")]
    assert places == sorted(places)
    assert html.index("class='verdict passed'") < places[0]
    assert not re.findall(r"(?:src|href)=['\"]?https?:", html)
    assert content["metrics"] == found.measured.metrics
    assert content["rows"] == len(frame)
    assert len(content["worst_rows"]) == 20


@pytest.mark.parametrize("case", ["binary", "forecasting"], indirect=True)
def test_the_same_evaluation_gives_the_same_bytes(tmp_path, case):
    _, answers, frame = case

    for folder in ("one", "two"):
        written(tmp_path / folder, evaluation(answers, frame))

    for file in ("report.html", "report.json", "report.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_numbers_are_scikit_learns(tmp_path):
    answers, frame = binary()

    html, content = written(tmp_path, evaluation(answers, frame))

    truth, score = answers.truth == "malignant", answers.probabilities[:, 1]
    assert answers.signature.classes[1] == "malignant"
    assert f"area {roc_auc_score(truth, score):.3f}" in html
    assert f"mean precision {average_precision_score(truth, score):.3f}" in html
    assert content["calibration"]["malignant"]["brier"] == pytest.approx(brier_score_loss(truth, score))
    matrix = confusion_matrix(answers.truth, answers.predicted, labels=answers.signature.classes)
    assert content["confusion_pairs"][0]["rows"] == max(matrix[0, 1], matrix[1, 0])
    for count in matrix.ravel():
        assert f">{count}</text>" in html


def test_names_and_values_are_escaped(tmp_path):
    random = np.random.default_rng(0)
    evil = "<script>alert('x')</script>"
    frame = pd.DataFrame({evil: random.normal(size=600), "town": random.choice([evil, "Ulm"], 600)})
    truth = random.choice([evil, "b&b"], 600).astype(object)
    wrong = (frame["town"] == evil) & (random.random(600) < 0.7)
    predicted = np.where(wrong, np.where(truth == evil, "b&b", evil), truth).astype(object)
    of = signature("classification", [evil, "town"], target=evil, classes=(evil, "b&b"))
    chance = np.where(predicted == evil, 0.9, 0.1)
    answers = Answers(signature=of, truth=truth, predicted=predicted, probabilities=np.stack([chance, 1 - chance], 1))
    verdict = Verdict.of([RuleResult(rule=evil, result="failed", why=evil, values={evil: evil})])
    worst = worst_values(answers, frame, "auto", ["accuracy"])
    found = evaluation(
        answers, frame, verdict=verdict, champion_note=evil, lineage={evil: evil}, undefined={evil: evil}, worst=worst,
        evidently=evil, sections=("<h2>More</h2><p>computed</p>",),
    )  # fmt: skip

    html, _ = written(tmp_path, found)

    assert found.slices.slices[0].text == f"town = {evil}"
    assert looked_at(html).scripts == 0
    assert "&lt;script&gt;" in html
    assert "<p>computed</p>" in html


def test_a_verdict_shows_each_rule_the_champion_and_the_worst_slice(tmp_path):
    answers, frame = binary()
    rules = [
        RuleResult(rule="accuracy >= 0.9", result="passed", why="accuracy = 0.93: it holds", values={"accuracy": 0.93}),
        RuleResult(
            rule="recall >= 0.99",
            result="failed",
            why="recall = 0.9: it does not",
            values={"recall": 0.9},
            value=0.9012,
            threshold=0.99,
            baseline=0.8765,
            slice="town = Ulm",
            n=321,
        ),
    ]
    found = evaluation(
        answers, frame, verdict=Verdict.of(rules), champion={"accuracy": 0.5123},
        champion_note="the champion is version 7", intervals={"accuracy": (0.9111, 0.9555)},
        gain={"accuracy": Gain(value=0.4, low=0.3, high=0.5, p_value=1e-9)},
        worst=worst_values(answers, frame, "auto", ["accuracy"]),
    )  # fmt: skip

    html, content = written(tmp_path, found)

    text = " ".join(looked_at(html).text)
    for words in (
        "blocked",
        "recall = 0.9: it does not",
        "0.9111 to 0.9555",
        "0.5123",
        "version 7",
        "p < 0.0001",
        "0.9012",
        "0.8765",
        "town = Ulm",
        "321",
    ):
        assert words in text
    assert content["worst"]["accuracy"]["slice"] in text
    assert content["verdict"]["rules"][1]["result"] == "failed"


def test_a_class_that_the_model_does_not_know_is_shown(tmp_path):
    answers, frame = binary()
    truth = answers.truth.copy()
    truth[:7] = "unclear"

    html, _ = written(tmp_path, evaluation(replace(answers, truth=truth), frame))

    assert "unclear (new)" in html


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("case", PLOTS, indirect=True)
def test_a_few_rows_are_enough_for_a_page(tmp_path, case, rows):
    _, answers, frame = case

    html, _ = written(tmp_path, evaluation(answers.take(np.arange(rows)), frame[:rows]))

    looked_at(html)


def test_worst_rows_are_those_with_the_largest_losses():
    answers, frame = regression()

    rows = worst_rows(answers, frame, 5)

    error = np.abs(answers.truth - answers.predicted)
    assert [row["row"] for row in rows] == np.argsort(-error, kind="stable")[:5].tolist()
    assert rows[0]["loss"] == pytest.approx(error.max())
    assert rows[0]["values"]["bmi"] == pytest.approx(frame["bmi"][rows[0]["row"]])


def test_pairs_of_classes_are_counted():
    answers, _ = classified(load_digits)

    pairs = confusion_pairs(answers, 3)

    matrix = confusion_matrix(answers.truth, answers.predicted)
    np.fill_diagonal(matrix, 0)
    assert [pair["rows"] for pair in pairs] == sorted(matrix.ravel())[::-1][:3]
    first = pairs[0]
    assert matrix[int(first["truth"]), int(first["prediction"])] == first["rows"]


@pytest.mark.parametrize("make", [binary, regression], ids=["binary", "regression"])
def test_evidently_has_its_own_page_with_equal_bytes(tmp_path, make):
    answers, _ = make()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    with EvidentlyPage(answers) as one, EvidentlyPage(answers) as two:
        why = [one.finish(tmp_path / "one"), two.finish(tmp_path / "two")]

    assert why == ["", ""]
    pages = [(tmp_path / folder / "evidently.html").read_text() for folder in ("one", "two")]
    assert pages[0] == pages[1]
    assert "truth" in pages[0]


def test_the_report_leads_to_evidentlys_page_where_there_is_one(tmp_path):
    answers, frame = binary()
    (tmp_path / "evidently.html").write_text("page")

    html, _ = written(tmp_path, evaluation(answers, frame))

    assert "<a href='evidently.html'>" in html


def one_class(answers):
    return answers.take(np.flatnonzero(answers.truth == "benign"))


def new_class(answers):
    return replace(answers, truth=np.where(np.arange(len(answers)) < 3, "unclear", answers.truth).astype(object))


def near_constant(answers):
    return replace(answers, predicted=np.full(len(answers), 7.0) + np.arange(len(answers)) * 1e-15)


def infinite(answers):
    return replace(answers, truth=np.where(np.arange(len(answers)) == 5, np.inf, answers.truth))


@pytest.mark.parametrize(
    ("make", "change", "why"),
    [
        (binary, one_class, "the rows have one class only"),
        (binary, new_class, "classes that the model does not know: unclear"),
        (regression, near_constant, "the prediction is nearly the same in every row"),
        (regression, infinite, "the truth holds values that are no finite numbers"),
        (regression, lambda answers: answers.take(np.arange(2)), "there are fewer than three rows"),
        (ranking, lambda answers: answers, "it has no report of a ranking"),
        (multilabel, lambda answers: answers, "it has no report of several labels"),
    ],
)
def test_what_evidently_does_not_take_is_said(tmp_path, make, change, why):
    answers, _ = make()

    with EvidentlyPage(change(answers)) as page:
        assert why in page.finish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_evidently_is_left_out_on_request(tmp_path):
    answers, _ = binary()

    with EvidentlyPage(answers, wanted=False) as page:
        assert page.finish(tmp_path) == "it was not asked for"
    assert list(tmp_path.iterdir()) == []


def test_ids_are_numbered_in_the_order_of_their_places():
    first, second = "01a21012-fcc1-77b2-9a2f-7aa9eaaa8dad", "13f40c0b755f49c5ad491bc07b267b76"

    text = numbered(f"a {first} b {second} c {first.replace('-', '')} d {second}")

    zero, one = "0" * 32, "0" * 31 + "1"
    assert text == f"a 00000000-0000-0000-0000-000000000000 b {one} c {zero} d {one}"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3e-9, 4e-9), (1e12, 1e12 + 1), (-5, 700)])
def test_axes_have_round_marks_inside(low, high):
    marks = [value for value, _ in Axis("x", low, high).marks()]

    assert 3 <= len(marks) <= 11
    assert all(low - 1e-6 * (high - low) <= value <= high + 1e-6 * (high - low) for value in marks)


def test_the_phase_publishes_evidentlys_page_and_keeps_slices_on_record(bench):
    model, _, test = bench.model("sklearn:wine")
    spec = EvaluateSpec(model="m", data="d", evidently=True, slices=SlicesSpec(minimum_rows=5))

    outcome = bench.run(spec, {"model": model, "data": test})

    report = bench.store.open(outcome.outputs["report"])
    names = {file.name for file in report.files()}
    assert names == {"report.html", "report.json", "report.md", "evidently.html"}
    assert test.digest in (report.folder / "report.html").read_text()
    assert isinstance(outcome.details["slices"], list)


def test_rows_are_kept_and_whoever_opens_the_page_has_it_made(bench, tmp_path):
    model, _, test = bench.model("sklearn:wine")
    inputs, output = {"model": model, "data": test}, tmp_path / "page.html"
    made = bench.run(EvaluateSpec(model="m", data="d", evidently=True), inputs, run_id="at-once").outputs["report"]
    kept = bench.run(EvaluateSpec(model="m", data="d"), inputs).outputs["report"]

    command = ["runs", "evidently", "flow", "run-1", "--output", str(output), "--store", bench.store.url]
    done = CliRunner().invoke(mlops, command)

    assert done.exit_code == 0, done.output
    files = {file.name for file in bench.store.open(kept).files()}
    assert files == {"report.html", "report.json", "report.md", "evidently.parquet"}
    assert "<a href='evidently.html'>" in (bench.store.open(kept).folder / "report.html").read_text()
    assert output.read_bytes() == (bench.store.open(made).folder / "evidently.html").read_bytes()
