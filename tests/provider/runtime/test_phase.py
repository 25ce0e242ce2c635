"""Records: one per attempt, failures included; references small enough for XCom."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlops_dag_factory.spec import IngestSpec, SplitSpec
from mlops_provider.exceptions import DataError
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.cache import content_key
from mlops_provider.runtime.outside import Outside
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.records import list_runs, run_records


def test_every_attempt_leaves_its_record(bench):
    with pytest.raises(DataError):
        bench.run(IngestSpec(source="late.csv"), attempt=1)
    (bench.root / "late.csv").write_text("a\n1\n")
    bench.run(IngestSpec(source="late.csv"), attempt=2)

    first, second = run_records(bench.store, "flow", "run-1")
    assert (first["status"], first["attempt"]) == ("failed", 1)
    assert first["error"]["type"] == "DataError"
    assert (second["status"], second["outputs"]["data"]["rows"]) == ("succeeded", 1)
    assert second["usage"]["wall_seconds"] >= 0
    assert list_runs(bench.store, "flow") == ["run-1"]


def test_what_goes_to_xcom_is_small_and_reads_back(bench):
    data = bench.dataset("sklearn:iris")
    context = bench.context("s", "split")
    finished = run_phase(SplitSpec(data="d", validation=0.1), {"data": [data]}, context)

    value = json.loads(json.dumps(finished.to_xcom()))
    assert {name: ref_from_dict(ref) for name, ref in value["outputs"].items()} == finished.outcome.outputs
    assert len(json.dumps({**value, "record": ""}).replace(bench.store.url, "")) < 1000


SAME = Outside({"code": "as it was"})


def test_the_content_key_changes_with_content_only(bench):
    data, other = bench.dataset("sklearn:iris"), bench.dataset("sklearn:wine")
    context = bench.context("s", "split")

    keys = [
        content_key(SplitSpec(data="d"), {"data": [data]}, context, SAME),
        content_key(SplitSpec(data="d"), {"data": [data]}, bench.context("s", "split", run_id="another"), SAME),
        content_key(SplitSpec(data="d", seed=1), {"data": [data]}, context, SAME),
        content_key(SplitSpec(data="d"), {"data": [other]}, context, SAME),
        content_key(SplitSpec(data="d"), {"data": [data]}, context, Outside({"code": "changed"})),
    ]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_the_runtime_never_imports_airflow(bench):
    modules = "ingest validate transform split train evaluate register deploy test_service release phase tracking"
    code = (
        f"import sys, importlib\nfor m in '{modules}'.split(): importlib.import_module('mlops_provider.runtime.' + m)\n"
    )
    code += "heavy = {'airflow', 'pandas', 'numpy', 'sklearn', 'mlflow', 'evidently', 'duckdb'} & set(sys.modules)\n"
    code += "sys.exit(str(heavy) if heavy else 0)"

    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stderr == ""
