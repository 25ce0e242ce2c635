"""The command that runs one phase: what it prints, and with which code it ends."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mlops_provider
from mlops_provider.refs import DatasetRef, ref_from_dict


def task(bench, spec, config, phase, **inputs):
    return {
        "spec": f"mlops_dag_factory.spec:{spec}",
        "config": config,
        "inputs": {field: [ref.to_dict()] for field, ref in inputs.items()},
        "context": bench.context(phase, "").to_dict(),
    }


def command(phase, text, stdin=None):
    arguments = [sys.executable, "-m", "mlops_provider.runtime", phase, text]
    return subprocess.run(arguments, check=False, capture_output=True, text=True, input=stdin, timeout=120)


def test_the_last_line_is_what_goes_to_xcom(bench):
    done = command("ingest", json.dumps(task(bench, "IngestSpec", {"source": "sklearn:iris"}, "rows")))

    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout.splitlines()[-1])
    data = ref_from_dict(value["outputs"]["data"])
    assert isinstance(data, DatasetRef)
    assert data == bench.dataset("sklearn:iris")
    assert bench.store.files.exists(bench.store.key(value["record"]))


def test_a_long_task_comes_through_standard_input(bench):
    data = bench.dataset("sklearn:iris")
    text = json.dumps(task(bench, "SplitSpec", {"data": "rows", "test": 0.5}, "parts", data=data))

    done = command("split", "-", stdin=text)

    assert json.loads(done.stdout.splitlines()[-1])["outputs"]["test"]["rows"] == 75


@pytest.mark.parametrize(
    ("spec", "config", "store_url", "code", "message"),
    [
        ("IngestSpec", {"source": "nowhere.csv"}, None, 1, "nowhere.csv' does not exist"),
        ("SplitSpec", {"sauce": "x"}, None, 1, "data: Field required; sauce: Extra inputs"),
        ("NoSpec", {}, None, 1, "cannot be read: AttributeError"),
        ("IngestSpec", {"source": "sklearn:iris"}, "/proc/none", 75, "cannot be written"),
    ],
)
def test_the_code_says_whether_a_retry_may_help(bench, spec, config, store_url, code, message):
    wanted = task(bench, spec, config, "rows")
    if store_url:
        wanted["context"]["store_url"] = store_url

    done = command("ingest", json.dumps(wanted))

    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert done.stdout == ""


def test_a_phase_type_that_is_not_ours_names_the_module_of_its_work(bench):
    data = bench.dataset("sklearn:iris")
    wanted = task(bench, "SplitSpec", {"data": "rows", "test": 0.5}, "halves", data=data)

    done = command("halve", json.dumps({**wanted, "function": "mlops_provider.runtime.split"}))

    assert json.loads(done.stdout.splitlines()[-1])["outputs"]["test"]["rows"] == 75, done.stderr
    assert "give the module" in command("halve", json.dumps(wanted)).stderr


def test_what_is_no_task_is_said(bench):
    assert command("bake", "{}").returncode == 1
    assert "cannot be read" in command("ingest", "{").stderr
    assert subprocess.run([sys.executable, "-m", "mlops_provider.runtime"], check=False).returncode == 2


def test_a_python_that_is_too_old_is_named():
    folder = Path(mlops_provider.__file__).parent
    read_before = [folder / "__init__.py", folder / "runtime" / "__init__.py", folder / "runtime" / "__main__.py"]
    program = (
        "import runpy, sys\nsys.version_info, sys.version = (3, 9, 2), '3.9.2 (default)'\n"
        "runpy.run_module('mlops_provider.runtime', run_name='__main__')"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.strip()) == (
        1,
        "this Python is 3.9.2; airflow-provider-mlops needs 3.11 or later",
    )
    for file in read_before:
        ast.parse(file.read_text(), feature_version=(3, 8))


def test_the_result_is_in_a_file_where_that_is_asked_for(bench, tmp_path):
    (tmp_path / "task.json").write_text(json.dumps(task(bench, "IngestSpec", {"source": "sklearn:iris"}, "rows")))
    arguments = ["ingest", f"@{tmp_path}/task.json", "--result", f"{tmp_path}/there/return.json"]

    done = subprocess.run(
        [sys.executable, "-m", "mlops_provider.runtime", *arguments], check=False, capture_output=True
    )

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "there" / "return.json").read_text())["outputs"]["data"]["rows"] == 150
    assert "the task cannot be read" in command("ingest", f"@{tmp_path}/none.json").stderr
