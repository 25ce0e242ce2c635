"""Who imports whom: the contracts of import-linter, and what is in sys.modules after an import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "airflow", "docker", "duckdb", "evidently", "fastapi", "kubernetes", "mlflow", "numpy", "pandas", "pyarrow",
    "scipy", "skops", "sklearn",
}  # fmt: skip


def imported_by(*modules):
    """Import modules in a new process and give the top-level names of all that was imported."""
    program = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


def test_the_contracts_hold():
    linter = Path(sys.executable).with_name("lint-imports")

    ended = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    "module",
    ["spec", "source", "reading", "checks", "violations", "phases", "errors", "cli.main", "cli.validate"],
)
def test_the_language_imports_nothing_heavy(module):
    assert not imported_by(f"mlops_dag_factory.{module}") & HEAVY


def test_compiling_a_workflow_imports_airflow_but_nothing_that_works_on_data(tmp_path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom mlops_dag_factory.reading import read_workflow\n"
        "from mlops_dag_factory.compiler import compile_monitor, compile_workflow\n"
        f"for path in sorted(Path({str(ROOT)!r}, 'dags', 'workflows').glob('*.yaml')):\n"
        "    workflow = read_workflow(path)\n    compile_workflow(workflow)\n    compile_monitor(workflow)\n"
        "print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    )
    home = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=home)

    assert ended.returncode == 0, ended.stderr
    modules = set(ended.stdout.split())
    assert "airflow" in modules
    assert not modules & (HEAVY - {"airflow", "fastapi"})


def test_the_package_roots_import_nothing_of_their_own():
    assert "pydantic" not in imported_by("mlops_provider", "mlops_dag_factory")


def test_the_provider_is_discovered_without_importing_airflow():
    program = (
        "import sys\nfrom mlops_provider.get_provider_info import get_provider_info\ninfo = get_provider_info()\n"
        "assert info['package-name'] == 'airflow-provider-mlops', info\nassert 'airflow' not in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
