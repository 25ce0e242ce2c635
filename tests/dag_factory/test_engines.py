"""Past one machine: the documented Spark phase, against the operator of Spark's own provider (no cluster runs here)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPARK = "apache-airflow-providers-apache-spark"
COMPILE = """
import json, sys
import airflow.providers
airflow.providers.__path__.append(sys.argv[1] + "/airflow/providers")
from pathlib import Path
from types import SimpleNamespace
from mlops_dag_factory.compiler import compile_workflow
from mlops_dag_factory.reading import read_workflow

dag = compile_workflow(read_workflow(Path(sys.argv[2])))
task = dag.get_task("sessions")
context = {"ds": "2026-01-31", "params": {}, "dag_run": SimpleNamespace(conf={}), "dag": dag, "task": task}
task.render_template_fields(context)
print(json.dumps({
    "class": type(task).__mro__[2].__name__,
    "after": sorted(dag.get_task("rows").upstream_task_ids),
    "command": task._get_hook()._build_spark_submit_command(task.application),
}))
"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """Spark's provider alone, without Spark."""
    target = tmp_path_factory.mktemp("spark")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", target, SPARK], check=True, timeout=200)
    return target


def test_the_documented_phase_submits_what_it_says(provider, tmp_path):
    page = (ROOT / "docs" / "data.md").read_text()
    [text] = re.findall(r"^```yaml file=spark\.yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "clicks.yaml").write_text(text)
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__MLOPS__ALLOWED_OPERATORS": "airflow.providers.",
        "AIRFLOW_CONN_SPARK": json.dumps({"conn_type": "spark", "host": "spark://master", "port": 7077}),
    }
    command = [sys.executable, "-c", COMPILE, str(provider), str(tmp_path / "clicks.yaml")]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["after"] == ["sessions"]
    assert found["command"][:3] == ["spark-submit", "--master", "spark://master:7077"]
    assert "spark.sql.shuffle.partitions=400" in found["command"]
    where = "s3://lake/sessions/2026-01-31"
    assert found["command"][-5:] == ["s3://jobs/sessions.py", "--day", "2026-01-31", "--to", where]
