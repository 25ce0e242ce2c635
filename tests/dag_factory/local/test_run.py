"""`mlops run`: the whole workflow in one process, from the command line."""

from __future__ import annotations

import json

import pytest
from tests.dag_factory.local.commands import mlops

from mlops_provider.runtime.approval.request import latest_request
from mlops_provider.store.chain import Chain
from mlops_provider.store.services import read_service
from mlops_provider.store.store import Store

WORKFLOW = """
workflow: mini
parameters:
  least: {type: float, default: 0.8, minimum: 0, maximum: 1}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows, stratify: target}
  model: {type: train, data: parts.train, target: target, estimator: sklearn.naive_bayes.GaussianNB}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy >= {{ params.least }}"]}
  version: {type: register, model: model, after: quality}
  yes: {type: approve, evidence: quality, after: version}
  live: {type: release, model: version, after: yes}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mini.yaml").write_text(WORKFLOW)
    return tmp_path


def evidence_of(store, workflow, run_id, phase):
    request = latest_request(store, workflow, run_id, phase)
    folder = store.key(request.report)
    return json.loads(store.files.read(f"{folder}/report.json")), store.files.read(f"{folder}/report.html").decode()


@pytest.mark.timeout(300)
def test_a_run_asks_releases_and_exits_zero_and_a_rejection_releases_nothing(folder):
    store = Store(folder / ".mlops/run/store")

    rejected = mlops(folder, "run", "mini.yaml", "--param", "least=0.5", answer="n\nnot before Monday\n")
    assert rejected.returncode == 0, rejected.stdout + rejected.stderr
    assert "approve? [y/N]" in rejected.stdout
    [entry] = Chain(store, "mini").entries("approval/yes")
    assert (entry.kind, entry.by, entry.reason) == ("rejected", "the terminal", "not before Monday")
    assert read_service(store, "mini", "production").primary is None

    approved = mlops(folder, "run", "mini.yaml", "--approve")
    assert approved.returncode == 0, approved.stdout + approved.stderr
    assert read_service(store, "mini", "production").primary.version == "2"

    listed = json.loads(mlops(folder, "runs", "list", "mini", "--store", store.url, "--json").stdout)
    assert [run["status"] for run in listed] == ["rejected", "succeeded"]
    evidence, page = evidence_of(store, "mini", listed[1]["run_id"], "yes")
    assert evidence["models"] == [{"name": "mini", "version": "2", "digest": evidence["models"][0]["digest"]}]
    assert [(each["phase"], each["status"]) for each in evidence["checkpoints"]] == [("quality", "passed")]
    assert "accuracy" in page
    assert "sklearn:iris" in page
    shown = mlops(folder, "runs", "show", "mini", listed[1]["run_id"], "--store", store.url)
    assert "passed" in shown.stdout
    services = json.loads(mlops(folder, "services", "--store", store.url, "--json").stdout)
    assert [(service["service"], service["version"]) for service in services] == [("mini/production", "2")]


@pytest.mark.timeout(300)
def test_a_gate_that_does_not_hold_exits_one_and_says_why(folder):
    result = mlops(folder, "run", "mini.yaml", "--param", "least=1", "--approve")

    assert result.returncode == 1
    assert "accuracy" in result.stdout
    assert "does not hold" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--param", "least=2"], "not what parameter 'least' allows"),
        (["--param", "most=1"], "no parameter 'most'"),
        (["--param", "least"], "is not NAME=VALUE"),
    ],
)
def test_wrong_parameters_are_usage_errors(folder, arguments, message):
    result = mlops(folder, "run", "mini.yaml", *arguments)

    assert result.returncode == 2
    assert message in result.stderr


def test_a_file_with_problems_exits_one(folder):
    (folder / "mini.yaml").write_text(WORKFLOW.replace("evaluate", "evaluat"))

    result = mlops(folder, "run", "mini.yaml")

    assert result.returncode == 1
    assert "did you mean 'evaluate'" in result.stderr
