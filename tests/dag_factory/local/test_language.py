"""What the language promises about runs, seen in real runs: conditions, items, groups, questions, presets, scenes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.dag_factory.local.commands import mlops

WORKFLOWS = Path(__file__).parents[2] / "workflows" / "language"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return shutil.copytree(WORKFLOWS, tmp_path_factory.mktemp("language") / "workflows")


class Run:
    """One run: what the terminal showed, and its records by phase."""

    def __init__(self, folder, *options):
        done = mlops(folder, "run", "full.yaml", "--approve", *options)
        self.text = done.stdout + done.stderr
        self.returncode = done.returncode
        self.states = dict(
            re.findall(r"^[✓✗-] (\S+) .*?(success|skipped|upstream_failed)\s*$", self.text, re.MULTILINE)
        )
        [found] = re.findall(r"full (\S+)\s+(?:success|failed)", self.text)
        runs = folder / ".mlops/run/store/full/runs"
        name = found.replace(":", "%3A").replace("+", "%2B")
        self.records = {
            path.parent.name: json.loads(path.read_text()) for path in sorted(runs.glob(f"{name}/*/*.json"))
        }


@pytest.fixture(scope="module")
def whole(folder):
    return Run(folder)


@pytest.fixture(scope="module")
def other_branch(folder, whole):
    return Run(folder, "-p", "use_trees=false", "-p", 'kinds=["gini", "nonsense"]', "--preset", "quick")


def test_a_condition_leaves_a_phase_out_and_what_only_depends_on_it(whole):
    assert whole.returncode == 0, whole.text
    assert (whole.states["bayes"], whole.states["quality_bayes"]) == ("skipped", "skipped")
    assert (whole.states["trees"], whole.states["quality"]) == ("success", "success")


def test_what_depends_on_several_goes_on_with_what_ran(whole, other_branch):
    assert whole.states["joined"] == "success"
    assert other_branch.states["joined"] == "success"
    assert (other_branch.states["quality"], other_branch.states["quality_bayes"]) == ("skipped", "success")


def test_nobody_is_asked_for_what_no_phase_uses_in_this_run(whole, other_branch):
    assert "full: depth?" in whole.text
    assert other_branch.states["trees.ask"] == "skipped"
    assert "full: depth?" not in other_branch.text


def test_an_answer_reaches_the_phase_and_the_record(whole):
    assert whole.records["trees"]["config"]["parameters"] == {"max_depth": 3}
    assert whole.records["trees.ask"]["details"]["values"] == {"depth": 3}


def test_phases_of_a_group_share_a_task_and_keep_their_records(whole):
    assert whole.states["prepare"] == "success"
    assert {"rows", "parts"} <= set(whole.records)
    assert set(whole.records["parts"]["outputs"]) >= {"train", "test"}


def test_every_item_has_a_record_and_its_own_gate(whole):
    kinds = {
        name: record["config"]["parameters"]["criterion"]
        for name, record in whole.records.items()
        if "@" in name and "fleet@" in name
    }
    assert kinds == {"fleet@gini": "gini", "fleet@entropy": "entropy"}
    for kind in ("gini", "entropy"):
        model = whole.records[f"fleet@{kind}"]["outputs"]["model"]
        assert whole.records[f"fleet_quality@{kind}"]["inputs"]["model"] == [model]
    counts = {"items": 2, "succeeded": 2, "passed": 2, "blocked": 0, "failed": 0, "skipped": 0}
    assert whole.records["fleet_quality.summary"]["metrics"] == counts


def test_an_item_that_fails_does_not_keep_the_others_from_going_on(other_branch):
    assert other_branch.returncode == 0, other_branch.text
    assert other_branch.records["fleet@nonsense"]["status"] == "failed"
    assert other_branch.records["fleet_quality@gini"]["status"] == "succeeded"
    assert "fleet_quality@nonsense" not in other_branch.records
    summary = other_branch.records["fleet_quality.summary"]
    counts = {"items": 2, "succeeded": 1, "passed": 1, "blocked": 0, "failed": 1, "skipped": 0}
    assert summary["metrics"] == counts
    assert "1 of 2 items succeeded" in summary["summary"]


def test_a_sub_workflow_runs_inline_with_the_parameters_that_it_is_given(whole):
    assert whole.records["inner.big"]["config"]["sql"] == "select * from data limit 100"
    assert whole.records["inner.big"]["outputs"]["data"]["rows"] == 100
    assert whole.records["again"]["inputs"]["data"] == [whole.records["inner.big"]["outputs"]["data"]]


def test_a_preset_counts_where_the_run_kept_the_default(folder, whole, other_branch):
    assert other_branch.records["bayes"]["parameters"]["threshold"] == 0.25

    own = Run(folder, "--preset", "quick", "-p", "threshold=0.75", "-p", "depth=2", "--scene", "training")
    assert own.records["quality"]["verdict"]["rules"][0]["values"]["parameters.threshold"] == 0.75
    assert own.records["trees"]["config"]["parameters"] == {"max_depth": 2}
    assert "full: depth?" not in own.text  # the run was started with the answer


def test_a_scene_runs_its_phases_on_what_an_earlier_run_gave(folder, whole):
    scene = Run(folder, "--scene", "training")

    assert scene.returncode == 0, scene.text
    assert set(scene.records) == {"trees.ask", "trees", "quality"}
    assert scene.records["trees"]["inputs"]["data"][0]["digest"] == whole.records["parts"]["outputs"]["train"]["digest"]


def test_a_scene_without_an_earlier_run_is_refused_with_what_is_missing(tmp_path):
    folder = shutil.copytree(WORKFLOWS, tmp_path / "workflows")

    done = mlops(folder, "run", "full.yaml", "--approve", "--scene", "training")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "the scene starts from 'parts': no earlier run has a result of it" in said
    assert not list((folder / ".mlops/run/store").glob("full/runs/*/trees/*.json"))


def planned(folder, *options):
    done = mlops(folder, "plan", "full.yaml", "--json", *options)
    return done.returncode, {step["phase"]: step for step in json.loads(done.stdout)}


def test_the_plan_is_what_the_run_then_does(folder, whole, other_branch):
    for options, run in (((), whole), (("-p", "use_trees=false"), other_branch)):
        returncode, steps = planned(folder, *options)

        assert returncode == 0
        single = {name for name, step in steps.items() if not name.startswith("fleet")}  # of items, some may be
        left_out = {name for name, step in steps.items() if step["action"] == "left out"}
        assert left_out == {name for name, state in run.states.items() if state == "skipped" and name in single}
    assert "people are asked for depth first" in planned(folder)[1]["trees"]["why"]


def test_the_plan_of_a_scene_names_the_runs_that_it_starts_from_or_what_is_missing(folder, whole, tmp_path):
    returncode, steps = planned(folder, "--scene", "training")
    assert returncode == 0
    assert steps["trees"]["inputs"][0].startswith("data: parts.train of run manual__")

    empty = shutil.copytree(WORKFLOWS, tmp_path / "empty")
    returncode, steps = planned(empty, "--scene", "training", "--store", str(tmp_path / "nothing"))
    assert returncode == 1
    assert steps["trees"]["action"] == "refused"
    assert "no earlier run has a result of 'parts'" in steps["trees"]["why"]
    assert not (tmp_path / "nothing").exists()


CACHED = """
workflow: cached
defaults: {cache: true}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows}
  model:
    type: train
    data: parts.train
    target: target
    estimator: sklearn.tree.DecisionTreeClassifier
    cache: {ttl: 1h}
  fresh: {type: train, data: parts.train, target: target, estimator: sklearn.naive_bayes.GaussianNB, cache: false}
"""


def test_equal_work_is_taken_from_the_cache_and_the_plan_says_so_before(tmp_path):
    (tmp_path / "cached.yaml").write_text(CACHED)
    for _ in range(2):
        assert mlops(tmp_path, "run", "cached.yaml").returncode == 0
    plan = json.loads(mlops(tmp_path, "plan", "cached.yaml", "--json").stdout)

    attempts = sorted((tmp_path / ".mlops/run/store/cached/runs").glob("*/model/0001.json"))
    first, second = (json.loads(path.read_text()) for path in sorted(attempts, key=lambda path: path.stat().st_mtime))
    assert (first["cache"]["hit"], second["cache"]["hit"]) == (False, True)
    assert first["outputs"] == second["outputs"]
    assert str(attempts[0].parent.parent.parent) in second["cache"]["why"]
    why = {step["phase"]: " ".join(step["why"]) for step in plan}
    assert why["model"].startswith("cache hit, if 'rows' gives what it gave last")
    assert "cache" not in why["fresh"]

    model = second["outputs"]["model"]["uri"]
    shutil.rmtree(model)
    assert mlops(tmp_path, "run", "cached.yaml").returncode == 0
    third = max(attempts[0].parent.parent.parent.glob("*/model/0001.json"), key=lambda path: path.stat().st_mtime)
    assert "is not whole any more" in json.loads(third.read_text())["cache"]["why"]


CHAIN = """
workflow: chain
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows}
  model: {type: train, data: parts.train, target: target, estimator: sklearn.tree.DecisionTreeClassifier}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy >= 0.5"]}
"""


def results(folder, groups):
    """Run the chain with some phases in groups; give what each phase left, without names of runs and times."""
    text = CHAIN
    for phase, group in groups.items():
        text = text.replace(f"  {phase}: {{", f"  {phase}: {{group: {group}, ")
    (folder / "chain.yaml").write_text(text)
    done = mlops(folder, "run", "chain.yaml", "--home", str(folder / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(path.read_text()) for path in (folder / "home/store/chain/runs").glob("*/*/*.json")]
    return {
        record["phase"]: (
            {name: ref["digest"] for name, ref in record["outputs"].items() if ref["kind"] != "report"},
            record["metrics"],
            record["status"],
            record["key"],
        )
        for record in records
    }


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    return results(tmp_path_factory.mktemp("apart"), {})


@pytest.mark.parametrize(
    "groups",
    [
        {"rows": "a", "parts": "a"},
        {"parts": "a", "model": "a"},
        {"rows": "a", "parts": "a", "model": "b", "quality": "b"},
        dict.fromkeys(["rows", "parts", "model", "quality"], "a"),
    ],
    ids=["first", "middle", "two", "all"],
)
def test_phases_leave_the_same_in_a_group_as_apart(tmp_path, apart, groups):
    assert results(tmp_path, groups) == apart
