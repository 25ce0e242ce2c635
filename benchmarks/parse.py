"""Parsing: workflow files against hand-written DAG files with the same tasks, and against dag-factory.

Every measurement is one fresh process, with bytecode and with another file read before the clock starts; medians of
several. All sides make the same twelve tasks: the same operators with the same arguments and edges. dag-factory lives
in an environment of its own, from which it imports our operators.

Figures: vs_handwritten_cold is our time without a spec cache over that of hand-written files; vs_handwritten_cached
that with the cache, as every parse but the first has it; speedup_over_dag_factory is its time per DAG over ours with
the cache; task_start_ms is what the loader takes when Airflow wants one DAG; kb_per_workflow is the growth of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from figures import show

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".mlops" / "bench"
DAG_FACTORY = "dag-factory==1.1.0"
PHASES = 12

WORKFLOW = """
workflow: flow_{n}
description: Benchmark workflow {n}.
owner: bench
tags: [bench]
schedule: "0 {hour} * * *"
parameters:
  strength: {{type: float, default: 1.0, minimum: 0.1, maximum: 10}}
phases:
  rows: {{type: ingest, source: data-{n}.csv}}
  checked: {{type: validate, data: rows, rules: ["row_count > 100"]}}
  wide: {{type: transform, data: checked, sql: "SELECT * FROM data WHERE x > {n}"}}
  parts: {{type: split, data: wide, test: 0.2}}
  first:
    type: train
    data: parts.train
    target: y
    estimator: sklearn.linear_model.LogisticRegression
    parameters: {{C: "{{{{ params.strength }}}}"}}
  second: {{type: train, data: parts.train, target: y, estimator: sklearn.tree.DecisionTreeClassifier}}
  first_quality: {{type: evaluate, model: first, data: parts.test, gates: ["accuracy > 0.5"]}}
  second_quality: {{type: evaluate, model: second, data: parts.test, gates: ["accuracy > 0.5"]}}
  version: {{type: register, model: first, after: [first_quality, second_quality]}}
  staging: {{type: deploy, model: version}}
  tested: {{type: test_service, service: staging}}
  live: {{type: release, model: version, after: tested}}
"""

OURS = """
import json, shutil, sys, time, tracemalloc
from pathlib import Path
from mlops_dag_factory.cache import SpecCache
from mlops_dag_factory.loader import folder_dags
folder, warm_up = Path(sys.argv[1]), Path(sys.argv[2])
folder_dags(warm_up, base=warm_up, cache=SpecCache(warm_up, warm_up / "cache"))
shutil.rmtree(folder / "cache", ignore_errors=True)
if "memory" in sys.argv:
    tracemalloc.start()
    kept = folder_dags(folder, base=folder, cache=SpecCache(folder, folder / "cache"))
    print(json.dumps({"kb": tracemalloc.get_traced_memory()[0] / 1024 / len(kept)}))
else:
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        dags = folder_dags(folder, base=folder, cache=SpecCache(folder, folder / "cache"))
        seconds.append(time.perf_counter() - started)
    assert len(dags) == int(sys.argv[3]) and all(len(dag.tasks) == 12 for dag in dags)
    print(json.dumps({"cold": seconds[0], "cached": seconds[1]}))
"""

START = """
import os, sys, time, json
from pathlib import Path
from mlops_dag_factory.cache import SpecCache
from mlops_dag_factory.loader import folder_dags
folder, warm_up = Path(sys.argv[1]), Path(sys.argv[2])
folder_dags(warm_up, base=warm_up, cache=SpecCache(warm_up, warm_up / "cache"))
os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = sys.argv[3]
started = time.perf_counter()
dags = folder_dags(folder, base=folder, cache=SpecCache(folder, folder / sys.argv[4]))
print(json.dumps({"seconds": time.perf_counter() - started}))
assert [dag.dag_id for dag in dags] == [sys.argv[3]]
"""

FILES = """
import sys, time, json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
def load(path):
    loader = SourceFileLoader("hand_" + path.stem, str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
paths = sorted(Path(sys.argv[1]).glob("*.py"))
load(paths[0])
seconds = []
for _ in range(2):
    started = time.perf_counter()
    modules = [load(path) for path in paths]
    seconds.append(time.perf_counter() - started)
print(json.dumps({"cold": seconds[0], "cached": seconds[1]}))
"""

FACTORY = """
import sys, time, json
from pathlib import Path
from airflow.sdk import DAG
import dagfactory
paths = sorted(Path(sys.argv[1]).glob("*.yaml"))
def load(path):
    space = {"__file__": str(path), "__name__": "bench"}
    if hasattr(dagfactory, "load_yaml_dags"):
        dagfactory.load_yaml_dags(globals_dict=space, config_filepath=str(path))
    else:
        factory = dagfactory.DagFactory(str(path)); factory.clean_dags(space); factory.generate_dags(space)
    return [value for value in space.values() if isinstance(value, DAG)]
assert len(load(paths[0])[0].tasks) == 12
started = time.perf_counter()
dags = [load(path) for path in paths]
print(json.dumps({"cold": time.perf_counter() - started}))
"""


def handwritten(dag) -> str:
    """Write the Python file that a person would write for the same DAG."""
    names = {type(task): f"from {type(task).__module__} import {type(task).__name__}" for task in dag.tasks}
    n = dag.dag_id.removeprefix("flow_")
    lines = [
        "from datetime import datetime, timedelta, timezone",
        "from airflow.sdk import DAG, Asset, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, Param",
        *sorted(names.values()),
        "UTC = 'UTC'",
        f"with DAG({dag.dag_id!r}, description='Benchmark workflow {n}.', doc_md='Benchmark workflow {n}.',",
        f"         schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable('0 {int(n) % 24} * * *', timezone=UTC),",
        f"                                      assets=AssetAny(Asset('x-mlops://retrain/{dag.dag_id}'))),",
        "         catchup=False, max_active_runs=1,",
        "         tags=['bench'],",
        "         params={'strength': Param(1.0, type='number', minimum=0.1, maximum=10)}):",
    ]
    lines += [
        f"    {task.task_id} = {type(task).__name__}(task_id={task.task_id!r}, workflow={task.workflow!r}, "
        f"spec={task.spec!r}, config={task.config!r}, inputs={task.inputs!r}, owner='bench', retries=2, "
        "retry_delay=timedelta(seconds=30))"
        for task in dag.tasks
    ]
    lines += [f"    {up} >> {task.task_id}" for task in dag.tasks for up in sorted(task.upstream_task_ids)]
    return "\n".join(lines) + "\n"


def for_dag_factory(dag) -> str:
    """Write the YAML file that dag-factory takes for the same DAG."""
    from mlops_dag_factory.source import dump

    tasks = {
        task.task_id: {
            "operator": f"{type(task).__module__}.{type(task).__name__}",
            **{name: json.loads(json.dumps(getattr(task, name))) for name in ("workflow", "spec", "config", "inputs")},
            **({"dependencies": sorted(task.upstream_task_ids)} if task.upstream_task_ids else {}),
        }
        for task in dag.tasks
    }
    content = {
        "default_args": {"owner": "bench", "retries": 2, "retry_delay_sec": 30},
        "description": dag.description,
        "schedule": f"0 {int(dag.dag_id.removeprefix('flow_')) % 24} * * *",
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["bench"],
        "params": {"strength": 1.0},
        "tasks": tasks,
    }
    return dump({dag.dag_id: content})


def prepare(count: int) -> dict[str, Path]:
    """Write the files of every side."""
    from mlops_dag_factory.compiler import compile_workflow
    from mlops_dag_factory.reading import read_workflow

    folders = {side: WORK / f"{side}-{count}" for side in ("ours", "other_names", "python", "dag_factory")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    warm_up = WORK / "warm-up"
    warm_up.mkdir(parents=True, exist_ok=True)
    (warm_up / "warm.yaml").write_text(WORKFLOW.format(n="warm", hour=0))
    for n in range(count):
        text = WORKFLOW.format(n=n, hour=n % 24)
        file = folders["ours"] / f"flow_{n}.yaml"
        file.write_text(text)
        (folders["other_names"] / f"team_{n:04d}.yaml").write_text(text)
        dag = compile_workflow(read_workflow(file))
        (folders["python"] / f"flow_{n}.py").write_text(handwritten(dag))
        (folders["dag_factory"] / f"flow_{n}.yaml").write_text(for_dag_factory(dag))
    return folders


def dag_factory_python() -> str:
    """Make dag-factory's environment once; give its Python."""
    environment = WORK / "dag-factory-environment"
    python = environment / "bin" / "python"
    if not (environment / ".ready").exists():
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", python, DAG_FACTORY]
        subprocess.run([*install, "apache-airflow>=3.3,<3.4", "apache-airflow-providers-standard"], check=True)
        (environment / ".ready").touch()
    return str(python)


def measure(code: str, *arguments: object, python: str = sys.executable, runs: int = 3) -> dict[str, float]:
    """Run code in fresh processes; give the median of each number that it prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"AIRFLOW_HOME": str(WORK / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment["PYTHONPATH"] = os.pathsep.join(str(ROOT / part) for part in ("provider", "dag_factory"))
    found = []
    for _ in range(runs + 1):  # the first writes bytecode and warms the disk
        command = [python, "-c", code, *map(str, arguments)]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        found.append(json.loads(out.splitlines()[-1]))
    return {name: statistics.median(run[name] for run in found[1:] or found) for name in found[0]}


def main() -> None:
    """Measure at several sizes; the figures are those of the largest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 workflows instead of 500")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = [10, 50] if options.quick else [10, 100, 500]
    rows, figures = [], {}
    for count in sizes:
        folders = prepare(count)
        warm_up, wanted = WORK / "warm-up", f"flow_{count // 2}"
        ours, python = measure(OURS, folders["ours"], warm_up, count), measure(FILES, folders["python"])
        peer = measure(FACTORY, folders["dag_factory"], python=dag_factory_python(), runs=2)
        measure(OURS, folders["other_names"], warm_up, count, runs=0)
        start = measure(START, folders["ours"], warm_up, wanted, "cache", runs=5)
        other = measure(START, folders["other_names"], warm_up, wanted, "cache", runs=5)
        first = measure(START, folders["other_names"], warm_up, wanted, "none")
        memory = measure(OURS, folders["ours"], warm_up, "memory", runs=1)
        each = 1000 / count
        rows += [
            (count, "hand-written Python", python["cold"] * each, python["cached"] * each, "", ""),
            (
                count,
                "workflow files",
                ours["cold"] * each,
                ours["cached"] * each,
                start["seconds"] * 1000,
                memory["kb"],
            ),
            (count, "the same, other file names", "", "", other["seconds"] * 1000, ""),
            (count, "the same, without a cache", "", "", first["seconds"] * 1000, ""),
            (count, "dag-factory", peer["cold"] * each, "", "", ""),
        ]
        figures = {
            "vs_handwritten_cold": ours["cold"] / python["cold"],
            "vs_handwritten_cached": ours["cached"] / python["cached"],
            "speedup_over_dag_factory": peer["cold"] / ours["cached"],
            "task_start_ms": start["seconds"] * 1000,
            "kb_per_workflow": memory["kb"],
        }
    header = ("workflows", "written as", "first pass, ms per DAG", "with a cache", "task start, ms", "kB per workflow")
    show(f"Parsing {PHASES} tasks per DAG", header, rows, figures, as_json=options.json)


if __name__ == "__main__":
    main()
