"""The public types, as a type checker sees them in somebody else's code."""

from __future__ import annotations

import subprocess
import sys

RIGHT = """
from pathlib import Path
from typing import assert_type

from airflow.sdk import DAG
from mlops_dag_factory.spec import IngestSpec, PhaseSpec, SplitSpec, Workflow

workflow = Workflow(workflow="w", phases={"rows": IngestSpec(source="a.csv"), "parts": SplitSpec(data="rows")})
assert_type(Workflow.read(Path("w.yaml"), "production"), Workflow)
assert_type(workflow.to_yaml(), str)
assert_type(workflow.phases["rows"], PhaseSpec)
assert_type(workflow.validate(), None)
dags: list[DAG] = workflow.dags()
"""
WRONG = """
from mlops_dag_factory.spec import SplitSpec, Workflow

SplitSpec()
Workflow(workflow="w", phases={"rows": 3})
Workflow.read("w.yaml")
"""


def check(tmp_path, text):
    (tmp_path / "theirs.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "theirs.py"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False).stdout


def test_right_uses_check_and_wrong_ones_are_found(tmp_path):
    assert "Success: no issues found" in check(tmp_path, RIGHT)

    said = check(tmp_path, WRONG)
    assert 'Missing named argument "data" for "SplitSpec"' in said
    assert 'has incompatible type "str": "int"' in said
    assert 'Argument 1 to "read" of "Workflow" has incompatible type "str"; expected "Path"' in said
