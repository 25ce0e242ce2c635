"""Data: ingest, validate (10 rules) and split of a table of 20 columns, from CSV and from Parquet.

Against pandas with pandera, as most would write it, and against one DuckDB script by hand that reads, checks, writes
and splits the same. Every measurement is a fresh process; each side reads the file, judges the same ten rules, keeps
the data as Parquet and divides it in train and test. Our side also takes digests, writes manifests, records, a report
with failing rows, and keeps to 1 GB in the engine. pandas and pandera live in an environment of their own.

Figures: speedup_over_pandas_pandera and vs_duckdb_script are ratios of the sums over both formats; peak_mb is our
highest memory, peak_mb_triple the same at three times the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from figures import show

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".mlops" / "bench" / "data"
PEERS = ("pandas>=2.2,<3", "pandera[pandas]==0.35.0", "pyarrow")
GOAL, QUICK = 10_000_000, 300_000

MAKE = """
import duckdb, sys
rows, target, form = int(sys.argv[1]), sys.argv[2], sys.argv[3]
numbers = ", ".join(f"round(random() * 100 + sin(i / 1000) * {n}, 4) AS f{n}" for n in range(1, 13))
query = f'''SELECT i AS id, {numbers}, (i * 7) % 1000 AS n1, (i * 13) % 77 AS n2, i % 5 AS n3,
  ['north', 'south', 'east', 'west'][1 + i % 4] AS region, 'C' || lpad((i % 5000)::VARCHAR, 4, '0') AS code,
  CASE WHEN i % 97 = 0 THEN NULL ELSE 'text ' || (i % 300) END AS note,
  TIMESTAMP '2025-01-01' + INTERVAL 1 SECOND * i AS at FROM range({rows}) t(i)'''
connection = duckdb.connect(config={"memory_limit": "2GB"})
connection.execute("SET enable_progress_bar = false")
connection.execute("SELECT setseed(0.5)")
connection.execute("SET threads = 1")
connection.execute(f"COPY ({query}) TO '{target}' (FORMAT {form})")
"""

OURS = """
import json, sys, time
from pathlib import Path
source, folder = sys.argv[1], sys.argv[2]
from mlops_dag_factory.spec import IngestSpec, SplitSpec, ValidateSpec
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.phase import run_phase

def context(phase):
    return RunContext(workflow="bench", run_id="run", phase=phase, phase_type=phase, store_url=folder)

started = time.perf_counter()
data = run_phase(IngestSpec(source=source), {}, context("ingest")).outcome.outputs["data"]
rules = ValidateSpec(
    data="rows",
    columns={
        "id": {"type": "integer", "nullable": False, "unique": True},
        "f1": {"minimum": -1, "maximum": 101},
        "region": {"allowed": ["north", "south", "east", "west"]},
        "code": {"pattern": "C[0-9]{4}"},
        "at": {"nullable": False},
    },
    rules=["columns.note.null_share < 0.02", "columns.f2.mean < 60"],
)
judged = run_phase(rules, {"data": [data]}, context("validate")).outcome
assert judged.verdict.status == "passed", judged.summary
assert len(judged.verdict.rules) == 10
parts = run_phase(SplitSpec(data="rows", test=0.2), {"data": [data]}, context("split")).outcome.outputs
"""

BY_HAND = """
import json, sys, time
source, folder = sys.argv[1], sys.argv[2]
import duckdb
from pathlib import Path

started = time.perf_counter()
Path(folder).mkdir(parents=True)
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
read = f"read_csv('{source}')" if source.endswith(".csv") else f"read_parquet('{source}')"
connection.execute(f"COPY (FROM {read}) TO '{folder}/rows.parquet' (FORMAT parquet, COMPRESSION zstd)")
rows = f"read_parquet('{folder}/rows.parquet')"
found = connection.execute(f'''SELECT typeof(any_value(id)) = 'BIGINT', count(*) FILTER (id IS NULL) = 0,
  count(DISTINCT id) = count(id), count(*) FILTER (f1 < -1) = 0, count(*) FILTER (f1 > 101) = 0,
  count(*) FILTER (region NOT IN ('north', 'south', 'east', 'west')) = 0,
  count(*) FILTER (NOT regexp_full_match(code, 'C[0-9]{{4}}')) = 0, count(*) FILTER ("at" IS NULL) = 0,
  avg((note IS NULL)::INT) < 0.02, avg(f2) < 60 FROM {rows}''').fetchone()
assert all(found), found
numbered = f"(SELECT *, hash(id) % 100 AS bucket FROM {rows})"
for name, condition in {"test": "bucket < 20", "train": "bucket >= 20"}.items():
    query = f"SELECT * EXCLUDE (bucket) FROM {numbered} WHERE {condition}"
    connection.execute(f"COPY ({query}) TO '{folder}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
"""

PANDAS = """
import json, sys, time
source, folder = sys.argv[1], sys.argv[2]
import pandas as pd
import pandera.pandas as pa
from pathlib import Path

started = time.perf_counter()
Path(folder).mkdir(parents=True)
rows = pd.read_csv(source, parse_dates=["at"]) if source.endswith(".csv") else pd.read_parquet(source)
schema = pa.DataFrameSchema(
    {
        "id": pa.Column("int64", nullable=False, unique=True),
        "f1": pa.Column(float, pa.Check.in_range(-1, 101)),
        "region": pa.Column(str, pa.Check.isin(["north", "south", "east", "west"])),
        "code": pa.Column(str, pa.Check.str_matches("^C[0-9]{4}$")),
        "at": pa.Column(nullable=False),
    },
    checks=[
        pa.Check(lambda frame: frame["note"].isna().mean() < 0.02),
        pa.Check(lambda frame: frame["f2"].mean() < 60),
    ],
)
schema.validate(rows, lazy=True)
rows.to_parquet(f"{folder}/rows.parquet", compression="zstd")
test = rows.sample(frac=0.2, random_state=0)
test.to_parquet(f"{folder}/test.parquet", compression="zstd")
rows.drop(test.index).to_parquet(f"{folder}/train.parquet", compression="zstd")
"""

TELL = """
seconds = time.perf_counter() - started
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": seconds, "peak_mb": peak}))
"""


def made(rows: int, form: str) -> Path:
    """Give the file of that many rows, made once."""
    path = WORK / f"rows-{rows}.{form}"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}")
        subprocess.run([sys.executable, "-c", MAKE, str(rows), str(aside), form], check=True)
        aside.rename(path)
    return path


def peers_python() -> str:
    """Make the environment of pandas and pandera once; give its Python."""
    environment = WORK.parent / "pandera-environment"
    python = environment / "bin" / "python"
    if not (environment / ".ready").exists():
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PEERS], check=True)
        (environment / ".ready").touch()
    return str(python)


def measure(code: str, source: Path, *, python: str = sys.executable) -> dict[str, float]:
    """Run a side once on a file that the disk cache has; give its seconds and its peak in MB."""
    with source.open("rb") as file:
        while file.read(1 << 24):
            pass
    folder = WORK / "out"
    shutil.rmtree(folder, ignore_errors=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [python, "-c", code + TELL, str(source), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{source.name} failed:\n{done.stderr}")
    shutil.rmtree(folder, ignore_errors=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure every side on both formats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} rows instead of {GOAL:,}")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = QUICK if options.quick else GOAL
    sides = {"mlops": (OURS, sys.executable), "DuckDB by hand": (BY_HAND, sys.executable)}
    sides["pandas and pandera"] = (PANDAS, peers_python())
    table, totals, peaks = [], dict.fromkeys(sides, 0.0), []
    for form in ("csv", "parquet"):
        source = made(rows, form)
        for side, (code, python) in sides.items():
            measure(code, made(QUICK // 10, form), python=python)  # bytecode and libraries in the disk cache
            found = measure(code, source, python=python)
            totals[side] += found["seconds"]
            table.append((f"{rows:,}", form, side, found["seconds"], found["peak_mb"]))
            peaks += [found["peak_mb"]] if side == "mlops" else []
    triple = []
    for form in ("csv", "parquet"):
        found = measure(OURS, made(3 * rows, form))
        triple.append(found["peak_mb"])
        table.append((f"{3 * rows:,}", form, "mlops", found["seconds"], found["peak_mb"]))
        made(3 * rows, form).unlink()
    figures = {
        "speedup_over_pandas_pandera": totals["pandas and pandera"] / totals["mlops"],
        "vs_duckdb_script": totals["mlops"] / totals["DuckDB by hand"],
        "peak_mb": max(peaks),
        "peak_mb_triple": max(triple),
    }
    show(
        "Ingest, validate, split",
        ("rows", "from", "written with", "s", "peak MB"),
        table,
        figures,
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
