"""`mlops new`: what it writes runs and installs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.reading import inspect_workflow

WORKFLOW = """
workflow: uses_it
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  enough: {type: at_least, data: rows, least: 150}
  parts: {type: split, data: enough}
"""


def new(*arguments):
    return CliRunner().invoke(mlops, ["new", *map(str, arguments)])


def test_a_new_workflow_has_no_problems_and_brings_the_schema(tmp_path):
    assert new("workflow", "churn", "--folder", tmp_path, "--owner", "ana").exit_code == 0

    reading = inspect_workflow(tmp_path / "churn.yaml")
    assert reading.problems == ()
    assert (reading.workflow.workflow, reading.workflow.owner) == ("churn", "ana")
    assert (tmp_path / "workflow.schema.json").exists()
    assert new("workflow", "other", "--folder", tmp_path).exit_code == 0


@pytest.mark.parametrize("sample", ["product", "training", "data"])
def test_every_sample_runs_as_it_is(tmp_path, monkeypatch, sample):
    monkeypatch.chdir(tmp_path)
    assert new("workflow", "no", "--sample", sample, "--owner", "ana: #1").exit_code == 0

    reading = inspect_workflow(tmp_path / "no.yaml")
    assert [str(problem) for problem in reading.problems] == []
    assert (reading.workflow.workflow, reading.workflow.owner) == ("no", "ana: #1")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    done = run((tmp_path, environment), "mlops_dag_factory.cli.main", "run", "no.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_written_over_and_bad_names_are_usage_errors(tmp_path):
    (tmp_path / "churn.yaml").write_text("mine")

    assert new("workflow", "churn", "--folder", tmp_path).exit_code == 1
    assert (tmp_path / "churn.yaml").read_text() == "mine"
    assert new("workflow", "Churn!", "--folder", tmp_path).exit_code == 2
    assert new("phase", "train", "--folder", tmp_path).exit_code == 2
    assert new("phase", "class", "--folder", tmp_path).exit_code == 2


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A new phase type, built and installed into a folder of its own; give the environment that finds it there."""
    folder = tmp_path_factory.mktemp("phase")
    assert new("phase", "at_least", "--folder", folder).exit_code == 0
    uv = Path(sys.executable).parent / "uv"
    target = folder / "site"
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--target", target, folder / "mlops-phase-at-least"]
    subprocess.run(install, check=True, timeout=200)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    return folder, {**environment, "PYTHONPATH": str(target)}


def run(installed, *command):
    folder, environment = installed
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_an_installed_phase_type_is_known_to_validation_and_to_the_schema(installed):
    (installed[0] / "uses_it.yaml").write_text(WORKFLOW)
    (installed[0] / "wrong.yaml").write_text(WORKFLOW.replace("least: 150", "leest: 150"))

    assert run(installed, "mlops_dag_factory.cli.main", "validate", "uses_it.yaml").returncode == 0
    wrong = run(installed, "mlops_dag_factory.cli.main", "validate", "wrong.yaml")
    assert "did you mean 'least'?" in wrong.stdout
    assert "AtLeastSpec" in run(installed, "mlops_dag_factory.cli.main", "schema").stdout
    assert inspect_workflow(installed[0] / "uses_it.yaml").workflow is None  # this process does not have it


def test_an_installed_phase_type_runs_and_its_own_test_passes(installed):
    (installed[0] / "uses_it.yaml").write_text(WORKFLOW)

    done = run(installed, "mlops_dag_factory.cli.main", "run", "uses_it.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    records = list((installed[0] / ".mlops/run/store/uses_it/runs").glob("*/enough/0001.json"))
    assert '"rows": 150' in records[0].read_text()

    project = installed[0] / "mlops-phase-at-least"
    own = run(
        installed,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:kmock",
        "--rootdir",
        str(project),
        str(project / "tests"),
    )
    assert "2 passed" in own.stdout
