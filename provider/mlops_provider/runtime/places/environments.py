"""Virtual environments for phases: made once for each set of requirements, and kept."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError, PlaceError
from mlops_provider.runtime.images import environment as libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_OURS = ("mlops_provider", "mlops_dag_factory")
_READY = ".ready"
_NO_PYTHON = ("No interpreter found", "No download found", "python-downloads")


def ready_environment(root: Path, requirements: Sequence[str], python: str, say: Callable[[str], None]) -> Path:
    """Give the interpreter of the environment with some requirements and all that phases need; make it where it lacks.

    It is made under a lock, by one process; its mark is written last, so that one that was cut short is made again.
    ConfigError: a requirement that does not exist or does not fit, a Python that is not there.
    """
    wanted = libraries.wanted("training", (), requirements)
    folder = root / environment_key(requirements, python)
    interpreter = folder / "bin" / "python"
    if not (folder / _READY).exists():
        with _lock(folder):
            if not (folder / _READY).exists():
                say(f"making the environment {folder.name} for {len(wanted)} requirements")
                _make(folder, interpreter, wanted, python)
    return interpreter


def environment_key(requirements: Sequence[str], python: str) -> str:
    """Give the name of an environment: equal for the same libraries on the same Python."""
    wanted = libraries.wanted("training", (), requirements)
    made_by = [python or sys.version, sys.prefix, *(_origin(name) for name in _OURS)]
    return hashlib.sha256("\n".join([*wanted, *made_by]).encode()).hexdigest()[:20]


def _make(folder: Path, interpreter: Path, wanted: Sequence[str], python: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    command = [libraries.uv(), "venv", "--quiet", "--no-python-downloads", "--no-project", "--no-config"]
    done = subprocess.run(
        [*command, "--python", python or sys.executable, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = " ".join(done.stderr.split())[-1500:]
        if any(word in done.stderr for word in _NO_PYTHON):
            raise ConfigError(
                f"Python {python} is not on this machine: {said}", hint="install it, or leave out 'python'"
            )
        raise PlaceError(f"the environment {folder} cannot be made: {said}")
    options = ["--python", str(interpreter)]
    libraries.uv_install(wanted, folder.with_name(f"{folder.name}.lists"), "the requirements of the phase", options)
    [site] = folder.glob("lib/python*/site-packages")
    for name in _OURS:
        (site / name).symlink_to(_origin(name))
    libraries.write_metadata(site)
    (folder / _READY).touch()


def _origin(name: str) -> str:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigError(f"package '{name}' is not importable here")
    return str(Path(spec.origin).parent)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time make an environment; the kernel frees the lock of one that is killed."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.with_name(f"{folder.name}.lock").open("w")
    except OSError as err:
        raise PlaceError(f"the environment {folder} cannot be made: {err}", hint="see [mlops] environments") from err
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
