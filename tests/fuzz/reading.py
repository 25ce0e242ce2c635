"""Coverage-guided fuzzing of the workflow reader: `make fuzz`, or `make fuzz RUNS=1000000`.

Any bytes must give a workflow or located problems, within 2 s, and the whole run within 500 MB over its start. The
corpus starts from the samples and from every file with a mistake that the tests know.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mlops_dag_factory", "mlops_provider"]):
    from mlops_dag_factory.errors import WorkflowError
    from mlops_dag_factory.phases import phase_types
    from mlops_dag_factory.reading import inspect_text
    from mlops_dag_factory.schema import workflow_schema
    from mlops_dag_factory.source import read_text_of

    for entry in phase_types().values():
        entry.spec_class()

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 2.0
MOST_MEGABYTES = 500
FOLDER = Path(tempfile.mkdtemp(prefix="mlops-fuzz-"))
FILE = FOLDER / "fuzzed.yaml"


def memory() -> float:
    """Give this process's peak in MB, without its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


worst = 0.0


def read(data: bytes) -> None:
    """Read bytes as a workflow file; whatever is raised ends the run and leaves the input beside."""
    global worst  # noqa: PLW0603 (libFuzzer calls a function, there is nobody else to hold it)
    FILE.write_bytes(data)
    started = time.perf_counter()
    try:
        reading = inspect_text(read_text_of(FILE), str(FILE))
    except WorkflowError as err:
        problems = err.problems
    else:
        problems = reading.problems
        assert reading.workflow is not None or problems, "neither a workflow nor a problem"
    worst = max(worst, time.perf_counter() - started)
    assert worst < MOST_SECONDS, f"{worst:.1f} s"
    assert all(problem.message and problem.file for problem in problems), "a problem without place or message"
    grown = memory() - at_start
    assert grown < MOST_MEGABYTES, f"{grown:.0f} MB more than at the start"


def corpus() -> Path:
    """Collect the files to start from."""
    folder = FOLDER / "corpus"
    folder.mkdir()
    for path in [*ROOT.glob("tests/dag_factory/messages/*.yaml"), *ROOT.glob("**/workflows/**/*.yaml")]:
        if path.stat().st_size < 20_000:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def words() -> Path:
    """Write the words of the language for libFuzzer to insert."""
    keys = {key for model in workflow_schema()["$defs"].values() for key in model.get("properties", {})}
    syntax = [
        "{{ params.",
        " }}",
        "phases.",
        "parameters.",
        "item.",
        "[*]",
        "\\n  ",
        "\\n- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
    ]
    path = FOLDER / "words"
    path.write_text("".join(f'"{word}"\n' for word in [*sorted(keys), *phase_types(), *syntax]).replace("\\n", "\\x0a"))
    return path


if __name__ == "__main__":
    at_start = memory()
    import atexit

    atexit.register(
        lambda: sys.stdout.write(f"worst {worst:.2f} s, peak {memory():.0f} MB of which {at_start:.0f} at the start\n")
    )
    atheris.Setup([*sys.argv, str(corpus()), f"-dict={words()}", "-max_len=4096", f"-artifact_prefix={FOLDER}/"], read)
    atheris.Fuzz()
