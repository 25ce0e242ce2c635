from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import COMMANDS, mlops

GOOD = """\
workflow: electricity
phases:
  readings: {type: ingest, source: data/elec.csv}
  parts: {type: split, data: readings}
"""
BAD = GOOD.replace("data:", "dta:")
WARNED = GOOD.replace("phases:", "parameters: {a: {type: integer, default: 1}}\nphases:")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"good": GOOD, "bad": BAD, "warned": WARNED}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(mlops, ["validate", *arguments])


def test_a_good_file_exits_0(files):
    result = run("good.yaml")

    assert (result.exit_code, result.output) == (0, "1 file: no problems\n")


def test_a_bad_file_exits_1_with_place_and_hint(files):
    result = run("bad.yaml", "good.yaml")

    assert result.exit_code == 1
    assert "bad.yaml:4:3 phases.parts: 'data' is missing" in result.output
    assert "bad.yaml:4:24 phases.parts.dta: unknown field\n  hint: did you mean 'data'?" in result.output
    assert result.output.endswith("2 files: 2 errors, 0 warnings\n")


def test_a_warning_exits_0_and_says_that_it_is_one(files):
    result = run("warned.yaml")

    assert result.exit_code == 0
    assert "warned.yaml:2:14 parameters.a: warning: the parameter 'a' is never used" in result.output
    assert result.output.endswith("1 file: 0 errors, 1 warning\n")


def test_the_excerpt_has_a_caret_below_the_column(files):
    lines = run("--excerpt", "bad.yaml").output.splitlines()

    shown = next(index for index, line in enumerate(lines) if "unknown field" in line)
    number, text = lines[shown + 1].split(" | ")
    assert number.strip() == "4"
    caret = lines[shown + 2].split(" | ")[1]
    assert text[caret.index("^") :].startswith("dta")


def test_the_excerpt_never_shows_a_secret(files):
    (files / "secret.yaml").write_text(GOOD.replace("data/elec.csv", '"s3://me:hunter2@bucket/a.csv"'))

    result = run("--excerpt", "secret.yaml")

    assert result.exit_code == 1
    assert "hunter2" not in result.output


def test_a_folder_is_all_its_files(files):
    result = run(".")

    assert result.output.endswith("3 files: 2 errors, 1 warning\n")


def test_json_has_every_field_of_every_problem(files):
    result = run("--json", "bad.yaml", "warned.yaml")

    problems = json.loads(result.output)["problems"]
    assert result.exit_code == 1
    assert [problem["severity"] for problem in problems] == ["error", "error", "warning"]
    assert problems[1] == {
        "file": "bad.yaml",
        "line": 4,
        "column": 24,
        "path": "phases.parts.dta",
        "code": "unknown-field",
        "severity": "error",
        "message": "unknown field",
        "hint": problems[1]["hint"],
    }


def test_json_of_a_good_file_is_an_empty_list(files):
    assert json.loads(run("--json", "good.yaml").output) == {"problems": []}


@pytest.mark.parametrize("arguments", [[], ["absent.yaml"], ["--jsn", "good.yaml"]])
def test_wrong_usage_exits_2(files, arguments):
    assert run(*arguments).exit_code == 2


def test_an_empty_folder_is_wrong_usage(tmp_path):
    assert run(str(tmp_path)).exit_code == 2


def test_a_misspelled_command_is_answered_with_the_nearest():
    result = CliRunner().invoke(mlops, ["valdate"])

    assert result.exit_code == 2
    assert "did you mean 'validate'?" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_answers_to_help(name):
    result = CliRunner().invoke(mlops, [name, "--help"])

    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: mlops {name}")


def test_the_help_lists_every_command():
    output = CliRunner().invoke(mlops, ["--help"]).output

    assert all(f"  {name}" in output for name in COMMANDS)


def test_validate_needs_neither_airflow_nor_what_computes(files):
    program = (
        "import sys\n"
        "from mlops_dag_factory.cli.main import mlops\n"
        "try:\n    mlops(['validate', 'good.yaml'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(','.join(sorted(name for name in sys.modules if '.' not in name)))"
    )
    command = [sys.executable, "-c", program]

    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    modules = set(output.splitlines()[-1].split(","))
    assert "pydantic" in modules
    assert not modules & {"airflow", "pandas", "numpy", "sklearn", "mlflow", "rich", "duckdb", "pyarrow"}


def test_the_module_is_a_program_too(files):
    command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "validate", "bad.yaml"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "unknown field" in ended.stdout
