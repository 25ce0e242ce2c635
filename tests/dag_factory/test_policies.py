"""What a deployment requires by risk class, said by `mlops validate` before a run begins."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.compiler import compile_workflow
from mlops_dag_factory.reading import inspect_text, read_text
from mlops_provider.evidence_policy import read_policies

POLICY = """
high:
  require: [evaluate.gates, explain.fairness, {approve: {approvals: 2}}, monitor]
  forbid: [approve.author_may_approve, "release.strategy=all_at_once"]
limited: {require: [evaluate]}
"""
WORKFLOW = """
workflow: loans
risk: high
phases:
  rows: {type: ingest, source: loans.csv}
  parts: {type: split, data: rows}
  model: {type: train, data: parts.train, target: paid, estimator: sklearn.naive_bayes.GaussianNB}
  quality: {type: evaluate, model: model, data: parts.test}
  version: {type: register, model: model, after: quality}
  yes: {type: approve, model: version, author_may_approve: true}
  live: {type: release, model: version, after: "yes"}
"""


@pytest.fixture
def policies(tmp_path):
    (tmp_path / "policies.yaml").write_text(POLICY)
    return tmp_path / "policies.yaml"


def said(text, policies):
    found = inspect_text(text, "loans.yaml", policies=read_policies(policies)).problems
    return [(problem.path, problem.message) for problem in found if problem.code == "policy"]


def test_every_gap_between_the_workflow_and_the_policy_is_a_problem_with_its_place(policies):
    text = WORKFLOW.replace('"yes"', "'yes'").replace("  yes:", "  'yes':")

    assert said(text, policies) == [
        ("risk", "risk 'high' requires monitor, and there is no monitor"),
        ("phases.yes", "risk 'high' forbids approve.author_may_approve"),
        ("phases.live", "risk 'high' forbids release.strategy=all_at_once"),
        ("phases.live", "risk 'high' requires evaluate.gates, and none comes before this release"),
        ("phases.live", "risk 'high' requires explain.fairness, and none comes before this release"),
        ("phases.live", "risk 'high' requires approve with approvals: 2, and none comes before this release"),
    ]


def test_a_workflow_that_meets_the_policy_or_has_a_lower_risk_has_no_problem(policies):
    text = WORKFLOW.replace("  yes:", "  'yes':").replace("author_may_approve: true", "approvals: 2, after: fair")
    text = text.replace("data: parts.test}", 'data: parts.test, gates: ["accuracy > 0.7"]}', 1)
    text = text.replace(
        "  version:", "  fair: {type: explain, model: model, data: parts.test, sensitive: sex}\n  version:", 1
    )
    text = text.replace('after: "yes"}', "after: 'yes', strategy: blue_green}\nmonitor: {checks: {data_drift: {}}}")

    assert said(text, policies) == []
    assert said(WORKFLOW.replace("risk: high", "risk: limited"), policies) == []
    assert said(WORKFLOW.replace("risk: high\n", ""), policies) == []


def test_a_phase_that_may_be_left_out_proves_nothing(policies):
    text = WORKFLOW.replace("risk: high", "risk: limited\nparameters: {deep: {type: boolean, default: true}}")
    text = text.replace("data: parts.test}", "data: parts.test, when: parameters.deep}", 1)

    assert [path for path, _ in said(text, policies)] == ["phases.live"]


def test_validate_takes_the_file_from_its_option_or_from_the_deployments_setting(policies, tmp_path):
    file = tmp_path / "loans.yaml"
    file.write_text(WORKFLOW)

    by_option = CliRunner().invoke(mlops, ["validate", str(file), "--policies", str(policies)])
    by_setting = CliRunner().invoke(mlops, ["validate", str(file)], env={"AIRFLOW__MLOPS__POLICIES": str(policies)})
    without = CliRunner().invoke(mlops, ["validate", str(file)])
    gone = CliRunner().invoke(mlops, ["validate", str(file), "--policies", str(tmp_path / "none.yaml")])

    assert by_option.output == by_setting.output
    assert "requires explain.fairness" in by_option.output
    assert by_option.exit_code == 1
    assert "requires" not in without.output
    assert (gone.exit_code, "cannot be read" in gone.output) == (1, True)


def test_the_risk_of_the_workflow_is_the_releases_whatever_that_says():
    text = WORKFLOW.replace('after: "yes"}', "after: version, risk: minimal}")

    dag = compile_workflow(read_text(text))

    assert dag.get_task("live").config["risk"] == "high"
