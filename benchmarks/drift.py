"""Drift of 50 columns (40 numbers, 10 categories): every row of two files of Parquet, scored by us and by Evidently.

Evidently's DataDriftPreset and our scores run on the same two files in the same run; above 1,000 rows both give the
Wasserstein distance over the baseline's standard deviation for numbers and the Jensen-Shannon distance for categories.
Every measurement is a fresh process, timed after its imports; each side reads the Parquet files itself. Ours is
measured twice: with both sides read, and against a profile that was stored when the model was trained.

Figures: speedup_both_sides and speedup_stored_profile are ratios of seconds, memory_vs_evidently of peak memory (ours,
both sides read), max_score_difference is over all columns. large_* and ten_times_* are our seconds (against a stored
profile) and peak memory at ten times the rows, and with that file read ten times.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from figures import show

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".mlops" / "bench" / "drift"
GOAL, QUICK = 1_000_000, 30_000
NUMBERS, CATEGORIES = 40, 10
REPEATS = 3

MAKE = f"""
import duckdb, sys
rows, target, seed, moved = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
def number(n):
    shape = "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"
    shape = f"exp({{shape}} / 2)" if n % 4 == 3 else shape
    shift = n / 100 if moved and n % 3 == 0 else 0
    return f"({{shape}} + {{shift}}) * {{n + 1}} + {{n * n}} AS n{{n}}"
def category(n):
    power = 2.3 if moved and n % 2 else 2
    return f"'value ' || floor(power(random(), {{power}}) * {{5 + 10 * n}})::INT AS k{{n}}"
columns = ", ".join([*map(number, range({NUMBERS})), *map(category, range({CATEGORIES}))])
connection = duckdb.connect(config={{"memory_limit": "2GB"}})
connection.execute("SET enable_progress_bar = false")
connection.execute("SET threads = 1")
connection.execute(f"SELECT setseed({{seed}})")
connection.execute(f"COPY (SELECT {{columns}} FROM range({{rows}})) TO '{{target}}' (FORMAT parquet)")
"""

OURS = """
import json, sys, time
from pathlib import Path
import duckdb, numpy, pyarrow.parquet, scipy.spatial.distance
from mlops_provider.runtime.columns.files import read_profiles, write_profiles
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.comparison import Wanted, compare_columns
from mlops_provider.runtime.table import connect
window, baseline, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
kinds = {f"n{n}": "number" for n in range(40)} | {f"k{n}": "category" for n in range(10)}
source = f"read_parquet({[window] * times})"

started = time.perf_counter()
with connect() as connection:
    if baseline.endswith(".profiles.parquet"):
        before = read_profiles(Path(baseline))
    else:
        before = profile_columns(connection, f"read_parquet('{baseline}')", kinds)
    after = profile_columns(connection, source, kinds, {name: one.centre for name, one in before.items()})
scores = compare_columns(before, after, kinds, default=Wanted()).scores
seconds = time.perf_counter() - started
if len(sys.argv) > 4:
    write_profiles(Path(sys.argv[4]), before)
"""

EVIDENTLY = """
import json, os, sys, time, warnings
os.environ["DO_NOT_TRACK"] = "1"
warnings.simplefilter("ignore")
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
window, baseline = sys.argv[1], sys.argv[2]
definition = DataDefinition(
    numerical_columns=[f"n{n}" for n in range(40)], categorical_columns=[f"k{n}" for n in range(10)]
)

started = time.perf_counter()
after, before = (Dataset.from_pandas(pd.read_parquet(path), data_definition=definition) for path in (window, baseline))
found = Report([DataDriftPreset()]).run(current_data=after, reference_data=before)
metrics = [metric for metric in found.dict()["metrics"] if "column" in metric["config"]]
scores = {metric["config"]["column"]: float(metric["value"]) for metric in metrics}
seconds = time.perf_counter() - started
"""

TELL = """
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": seconds, "peak_mb": peak, "scores": scores}))
"""


def made(rows: int, *, moved: bool) -> Path:
    """Give the file of that many rows, made once."""
    path = WORK / f"{'window' if moved else 'baseline'}-{rows}.parquet"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}")
        seed = "0.7" if moved else "0.3"
        subprocess.run([sys.executable, "-c", MAKE, str(rows), str(aside), seed, str(int(moved))], check=True)
        aside.rename(path)
    return path


def measure(code: str, window: Path, baseline: Path, *more: object) -> dict:
    """Run a side once on files that the disk cache has; give its seconds, its peak in MB and its scores."""
    for path in (window, baseline):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code + TELL, str(window), str(baseline), *map(str, more)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{window.name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def repeated(code: str, *given: object) -> dict:
    """Measure several times after a warm-up; the middle of the seconds, the highest peak."""
    measure(code, *given)
    found = [measure(code, *given) for _ in range(REPEATS)]
    middle = median(one["seconds"] for one in found)
    return {**found[0], "seconds": middle, "peak_mb": max(one["peak_mb"] for one in found)}


def main() -> None:
    """Measure every side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} rows instead of {GOAL:,}")
    parser.add_argument("--only-ours", action="store_true", help="leave Evidently and the large files out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = QUICK if options.quick else GOAL
    baseline, window = made(rows, moved=False), made(rows, moved=True)
    stored = WORK / f"baseline-{rows}.profiles.parquet"
    measure(OURS, window, baseline, 1, stored)
    both, against = repeated(OURS, window, baseline, 1), repeated(OURS, window, stored, 1)
    table = [
        (f"{rows:,}", "mlops, both sides read", both["seconds"], both["peak_mb"]),
        (f"{rows:,}", "mlops, stored profile", against["seconds"], against["peak_mb"]),
    ]
    figures = {}
    if not options.only_ours:
        theirs = measure(EVIDENTLY, window, baseline)
        table.append((f"{rows:,}", "Evidently", theirs["seconds"], theirs["peak_mb"]))
        assert both["scores"].keys() == theirs["scores"].keys(), theirs["scores"].keys()
        figures = {
            "speedup_both_sides": theirs["seconds"] / both["seconds"],
            "speedup_stored_profile": theirs["seconds"] / against["seconds"],
            "memory_vs_evidently": both["peak_mb"] / theirs["peak_mb"],
            "max_score_difference": max(abs(both["scores"][name] - theirs["scores"][name]) for name in both["scores"]),
        }
        large = made(10 * rows, moved=True)
        for name, times in (("large", 1), ("ten_times", 10)):
            found = measure(OURS, large, stored, times)
            table.append((f"{10 * rows * times:,}", "mlops, stored profile", found["seconds"], found["peak_mb"]))
            figures |= {f"{name}_seconds": found["seconds"], f"{name}_peak_mb": found["peak_mb"]}
    show("Drift of 50 columns", ("rows", "scored by", "s", "peak MB"), table, figures, as_json=options.json)


if __name__ == "__main__":
    main()
