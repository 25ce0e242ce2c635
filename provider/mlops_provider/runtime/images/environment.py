"""What an image or a bundle holds beside the model: libraries at exact versions, our own code, bytecode."""

from __future__ import annotations

import compileall
import errno
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution, distributions, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError, ImageRegistryError, StoreError
from mlops_provider.store.model_file import LOADER_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OURS = "airflow-provider-mlops"
SERVING = [
    "click",
    "fastapi",
    "fsspec",
    "httptools",
    "numpy",
    "orjson",
    "pandas",
    "prometheus-client",
    "pyarrow",
    "pydantic",
    "pyjwt",
    "cryptography",
    "scikit-learn",
    "skops",
    "uvicorn",
]
EDGE = ["fsspec", "numpy", "pandas", "pyarrow", "scikit-learn", "skops"]
BY_AIRFLOW = ["alembic", "sqlalchemy"]
"""What phases use for databases and MLflow's, and Airflow brings where it is."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w,-]+\])?\s*([=<>!~]=?=?\s*[\w.*+!-]+\s*,?\s*)*")
_NETWORK = ("network", "timed out", "connection", "error sending request", "Failed to fetch")
_GLIBC = "manylinux_2_28"


def normal(requirement: str) -> str:
    """Give the normalised name of a requirement's distribution (PEP 503)."""
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def wanted(purpose: str, model: Iterable[str], extra: Iterable[str] = ()) -> list[str]:
    """Give the requirements: the model's own pins, the extra ones, and what serving, training or the edge needs.

    What the model's pins do not name has the version of this environment. Extra pins win over the model's.
    """
    for requirement in extra:
        if not _REQUIREMENT.fullmatch(requirement.strip()):
            raise ConfigError(f"'{requirement}' is not a requirement", hint="write a name and a version: torch==2.9.1")
    found = {normal(pin): pin for pin in model}
    found |= {normal(pin): pin.strip() for pin in extra}
    for name in _libraries(purpose):
        found.setdefault(normal(name), f"{name}=={version(name)}")
    return [found[name] for name in sorted(found)]


def _libraries(purpose: str) -> list[str]:
    if purpose != "training":
        return SERVING if purpose == "serving" else EDGE
    named = [text for text in requires(OURS) or () if "extra ==" not in text]
    names = [match[0] for text in named if (match := _NAME.match(text))]
    return [*(name for name in names if not name.startswith("apache-airflow")), *BY_AIRFLOW]


def install(requirements: Sequence[str], target: Path, *, python: str, machine: str) -> list[str]:
    """Install wheels for a Python and a processor into a folder; give what is there, as exact pins.

    Dependencies have the versions of this environment wherever the requirements allow. ConfigError: a requirement that
    does not exist or does not fit the others.
    """
    uv_install(requirements, target.with_name(f"{target.name}.lists"), "the libraries of the image", [
        "--target", str(target), "--python", sys.executable, "--python-version", python,
        "--python-platform", f"{machine}-{_GLIBC}", "--link-mode", "copy",
    ])  # fmt: skip
    _clean(target)
    return sorted(f"{each.name}=={each.version}" for each in distributions(path=[str(target)]))


def uv_install(requirements: Sequence[str], lists: Path, what: str, options: Sequence[str]) -> None:
    """Install wheels by uv, dependencies at the versions of this environment; `lists` is a folder for its input.

    `what` names in messages what is installed. ConfigError: a requirement that does not exist or does not fit.
    """
    named = {normal(requirement) for requirement in requirements}
    here = {normal(each.name): each.version for each in distributions()}
    constraints = [f"{name}=={found}" for name, found in sorted(here.items()) if name not in named | {OURS}]
    lists.mkdir()
    try:
        (lists / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements))
        (lists / "constraints.txt").write_text("".join(f"{line}\n" for line in constraints))
        command = [
            uv(), "pip", "install", "--quiet", "--only-binary", ":all:", *options,
            "--requirement", str(lists / "requirements.txt"), "--constraint", str(lists / "constraints.txt"),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(lists)
    if done.returncode:
        _refuse(done.stderr, what)


def uv() -> str:
    """Give the path of uv."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise ConfigError("uv is not installed, which installs libraries", hint="pip install uv")
    return found


def _refuse(said: str, what: str) -> None:
    text = " ".join(said.split())[-1500:]
    if os.strerror(errno.ENOSPC) in said:
        raise StoreError(f"{what} do not fit on this disk: {text}")
    if "No solution found" not in said and any(word in said for word in _NETWORK):
        raise ImageRegistryError(f"the package registry does not answer: {text}")
    raise ConfigError(f"{what} cannot be installed: {text}", hint="see 'requirements'")


def _clean(target: Path) -> None:
    """Remove what differs between two installations of the same: scripts with this machine's paths, marks of uv."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    for name in (".lock", "uv_cache.json", "direct_url.json", "REQUESTED", "INSTALLER"):
        for path in target.rglob(name):
            path.unlink()
    for record in target.glob("*.dist-info/RECORD"):
        kept = [line for line in record.read_text().splitlines() if not line.startswith(("bin/", "../../bin/"))]
        kept = [
            line for line in kept if not line.partition(",")[0].endswith(("uv_cache.json", "INSTALLER", "REQUESTED"))
        ]
        record.write_text("".join(f"{line}\n" for line in sorted(kept)))
    for folder in [path for path in target.rglob("__pycache__") if path.is_dir()]:
        shutil.rmtree(folder)


def copy_ours(target: Path, *, packages: Sequence[str] = ("mlops_provider", "mlops_dag_factory")) -> None:
    """Copy our own packages and their metadata as they are here."""
    for name in packages:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ConfigError(f"package '{name}' is not importable here")
        shutil.copytree(Path(spec.origin).parent, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_metadata(target)


def write_metadata(target: Path) -> None:
    """Write what `importlib.metadata` needs to know of our own distribution."""
    info = target / f"{OURS.replace('-', '_')}-{version(OURS)}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {OURS}\nVersion: {distribution(OURS).version}\n")


def copy_loader(model: Path, target: Path) -> None:
    """Copy the module or package of a model's own class beside our code, unless an installed distribution brings it."""
    if not (model / LOADER_FILE).exists():
        return
    root = str(json.loads((model / LOADER_FILE).read_text())["loader"]).partition(":")[0].partition(".")[0]
    spec = find_spec(root)
    origin = Path(spec.origin) if spec and spec.origin else None
    if origin is None or {"site-packages", "dist-packages"}.intersection(origin.parts) or (target / root).exists():
        return
    if origin.name == "__init__.py":
        shutil.copytree(origin.parent, target / root, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copyfile(origin, target / origin.name)


def compile_bytecode(folder: Path, prefix: str, *, python: str) -> bool:
    """Compile a folder that will lie at `prefix`, by hash and unchecked: no dates in it, and no look at the sources.

    False, and nothing is done, where the Python of the image is another than this one.
    """
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        return False
    compileall.compile_dir(
        folder, quiet=2, stripdir=str(folder), prependdir=prefix, maxlevels=50,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )  # fmt: skip
    return True
