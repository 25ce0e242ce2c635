"""`mlops runs`: list with filters, show, compare, tag, on runs of a real workflow."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.dag_factory.local.commands import mlops

from mlops_dag_factory.cli.runs import runs

WORKFLOW = """
workflow: tumours
parameters:
  depth: {type: integer, default: 5}
  least: {type: float, default: 0.8}
phases:
  rows: {type: ingest, source: "sklearn:breast_cancer"}
  parts: {type: split, data: rows, stratify: target}
  model:
    type: train
    data: parts.train
    target: target
    estimator: sklearn.tree.DecisionTreeClassifier
    parameters: {max_depth: "{{ params.depth }}"}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy >= {{ params.least }}"]}
  version: {type: register, model: model, after: quality}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tumours")
    (folder / "tumours.yaml").write_text(WORKFLOW)
    for options in ((), ("-p", "depth=1", "-p", "least=0.99")):
        mlops(folder, "run", "tumours.yaml", *options)
    return folder


class Command:
    """Calls `mlops runs` in this process."""

    def __init__(self, folder):
        self.options = ["--store", str(folder / ".mlops/run/store")]
        self.tracking = ["--tracking", f"sqlite:///{folder / '.mlops/run/mlops/mlflow.db'}"]

    def __call__(self, name, *arguments):
        return CliRunner().invoke(runs, [name, *arguments, *self.options], env={"COLUMNS": "300"})

    def json(self, name, *arguments):
        done = self(name, *arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.output)


@pytest.fixture
def command(folder):
    return Command(folder)


@pytest.fixture
def ids(command):
    return [run["run_id"] for run in command.json("list", "tumours")]


def test_the_latest_run_is_compared_with_its_last_good_one(command, ids):
    found = command.json("compare", "tumours")

    assert [found["earlier"]["run_id"], found["later"]["run_id"]] == ids
    assert found["parameters"] == {"depth": [5, 1], "least": [0.8, 0.99]}
    [accuracy] = [step for step in found["metrics"]["quality"] if step["name"] == "accuracy"]
    assert accuracy["difference"] == accuracy["later"] - accuracy["earlier"]
    assert accuracy["better"] is (accuracy["difference"] > 0)
    assert {pair["phase"]: pair["verdict"] for pair in found["phases"]}["quality"] == ["passed", "blocked"]
    assert {change["says"] for change in found["changes"]["changes"]} >= {"model.parameters.max_depth 5 → 1"}
    shown = command("compare", "tumours").output
    assert "model.parameters.max_depth 5 → 1" in shown
    assert "the same: data, " in shown


def test_runs_have_names(command, ids):
    for names in (["last-good", "latest"], [ids[0]], ids):
        found = command.json("compare", "tumours", *names)
        assert [found["earlier"]["run_id"], found["later"]["run_id"]] == ids

    wrong = command("compare", "tumours", "champion", *command.tracking)
    assert wrong.exit_code == 2
    assert "tumours has no champion" in wrong.output
    from mlops_provider.runtime import tracking

    tracking.set_alias(command.tracking[1], "tumours", tracking.CHAMPION, "1")
    found = command.json("compare", "tumours", "champion", *command.tracking)
    assert found["earlier"]["run_id"] == ids[0]


def test_the_page_is_written_and_needs_no_network(command, folder):
    target = folder / "compare.html"

    assert command("compare", "tumours", "-o", str(target)).output.strip() == str(target)
    page = target.read_text()
    assert "model.parameters.max_depth 5 → 1" in page
    assert page.count("http") == page.count("<script") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "tumours", "nonsense"], "tumours has no run 'nonsense'"),
        (["compare", "tumours", "a", "b", "c"], "two runs are compared, not 3"),
        (["compare", "nothing"], "nothing has no runs in"),
        (["compare", "tumours", "--phase", "model_x"], "has no phase 'model_x'"),
        (["show", "tumours", "nonsense"], "the latest: "),
        (["tag", "tumours", "nonsense", "a=b"], "the latest: "),
        (["tag", "tumours", "latest", "a"], "'a' is not KEY=VALUE"),
        (["tag", "tumours", "latest", "1a=b"], "'1a' is not a key"),
        (["list", "--since", "yesterday"], "neither an age (7d, 24h) nor a date"),
        (["list", "--where", "quality.nonsense > 1"], "metrics: "),
        (["list", "--where", "open('x')"], "is not allowed in an expression"),
        (["list", "--sort", "nonsense"], "no run has the metric 'nonsense'"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(command, arguments, message):
    done = command(*arguments)

    assert done.exit_code in {1, 2}
    assert message in done.output


def test_runs_are_filtered_by_status_time_and_metrics_and_sorted(command, ids):
    def listed(*options):
        return [run["run_id"] for run in command.json("list", "tumours", *options)]

    assert listed("--status", "blocked") == ids[1:]
    assert listed("--since", "1h") == ids
    assert listed("--since", "2999-01-01") == []
    assert listed("--where", "quality.accuracy >= 0 and model.rows > 1") == ids
    assert listed("--where", "accuracy < 0") == []
    values = {run["run_id"]: run["metrics"]["quality"] for run in command.json("list", "tumours")}
    assert listed("--sort", "quality.accuracy") == sorted(ids, key=lambda run: -values[run]["accuracy"])
    assert listed("--sort", "log_loss") == sorted(ids, key=lambda run: values[run]["log_loss"])


def test_tags_are_kept_shown_filtered_and_taken_away(command, ids):
    assert command.json("tag", "tumours", ids[0], "stage=demo", "by=ana") == {"stage": "demo", "by": "ana"}
    assert [run["run_id"] for run in command.json("list", "--tag", "stage=demo", "--tag", "by")] == ids[:1]
    assert command.json("list", "--tag", "stage=live") == []
    assert "stage=demo" in command("list").output
    assert "by=ana, stage=demo" in command("show", "tumours", ids[0]).output

    assert command.json("tag", "tumours", ids[0], "--remove", "by") == {"stage": "demo"}
    assert command("tag", "tumours", ids[1]).output.strip() == f"{ids[1]} has no tags"
