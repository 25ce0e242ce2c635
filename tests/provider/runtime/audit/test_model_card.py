"""The model card of a real version: what it says, what nobody looked at, that it is chained and repeatable."""

from __future__ import annotations

import json

import pytest

from mlops_dag_factory.spec import EvaluateSpec, ReportSpec, Workflow
from mlops_provider.runtime.witnesses import record_witnesses
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain

SAID = {"intended_use": "To order second looks.", "limits": ["Images of one hospital."]}


def files(bench, outcome):
    folder = bench.store.open(outcome.outputs["report"], verify=True).folder
    return json.loads((folder / "report.json").read_bytes()), (folder / "report.html").read_text(), folder


@pytest.fixture(scope="module")
def story(unserved):
    return unserved


@pytest.fixture(scope="module")
def reported(story):
    outcome = story.bench.run(ReportSpec(model="v", **SAID), {"model": story.version}, phase="card")
    return outcome, *files(story.bench, outcome)


def test_the_card_says_data_code_metrics_slices_verdicts_people_and_deployments(story, reported):
    _, card, page, folder = reported

    assert card["model"]["digest"] == story.model.digest
    assert card["data"]["training"] == [story.train.digest]
    [evaluation] = card["evaluations"]
    metrics = {row["metric"]: row for row in evaluation["metrics"]}
    assert metrics["accuracy"]["from"] <= metrics["accuracy"]["value"] <= metrics["accuracy"]["to"]
    assert [verdict["status"] for verdict in card["verdicts"]] == ["passed"]
    assert [person["by"] for person in card["people"]] == ["Rita"]
    assert {"flow/production"} <= {each["service"] for each in card["deployments"]}
    assert "To order second looks." in page
    assert "http" not in page.replace("https://www.w3.org", "")
    assert (folder / "report.md").read_text().startswith("# Model card: flow, version 1\n")


def test_the_limits_are_what_its_makers_know_and_what_nobody_looked_at(reported):
    _, card, _, _ = reported

    assert card["limits"][0] == "Images of one hospital."
    assert "Nobody looked at how groups of people are treated." in card["limits"]
    assert any(limit.startswith("It is worst where") for limit in card["limits"])


def test_the_same_records_give_the_same_card_and_a_retry_adds_no_entry(story, reported):
    outcome, *_ = reported

    again = story.bench.run(ReportSpec(model="v", **SAID), {"model": story.version}, phase="card", attempt=2)

    assert again.outputs["report"] == outcome.outputs["report"]
    entries = list(Chain(story.store, "flow").entries("report/card"))
    assert [entry.payload["report"] for entry in entries] == [outcome.outputs["report"].digest]
    assert check_chain(Chain(story.store, "flow"), record_witnesses(story.store, "flow")) == []


def test_a_model_that_was_neither_judged_nor_registered_has_a_card_that_says_so(bench):
    model, _, _ = bench.model("sklearn:wine")

    outcome = bench.run(ReportSpec(model="m"), {"model": model}, phase="card")

    card, page, folder = files(bench, outcome)
    assert card["model"]["version"] == "not registered"
    assert "It was not evaluated in this run on rows that it has not seen." in card["limits"]
    assert "Its makers have not said what it is for." in page
    assert "Its makers have not said what it is for." in (folder / "report.md").read_text()


def test_what_an_evaluation_of_another_model_says_is_not_on_the_card(bench):
    model, _, test = bench.model("sklearn:wine")
    other, _, _ = bench.model("sklearn:wine", parameters={"max_iter": 2000, "C": 0.01})
    bench.run(EvaluateSpec(model="m", data="d", evidently=False), {"model": other, "data": test}, phase="quality")

    card, _, _ = files(bench, bench.run(ReportSpec(model="m"), {"model": model}, phase="card"))

    assert card["evaluations"] == []


def test_a_report_is_a_phase_of_the_language():
    workflow = Workflow.model_validate(
        {
            "workflow": "w",
            "phases": {
                "rows": {"type": "ingest", "source": "a.csv"},
                "model": {"type": "train", "data": "rows", "target": "y", "estimator": "sklearn.svm.SVC"},
                "card": {"type": "report", "model": "model", "limits": "small data"},
            },
        }
    )

    assert workflow.phases["card"].limits == ["small data"]
    assert workflow.graph()["card"] == ["model"]
