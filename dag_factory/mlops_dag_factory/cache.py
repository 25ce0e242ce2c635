"""The cache of parsing: the data of workflow files that had no errors, found again by the digest of their bytes.

One JSON file per folder of workflows, in Airflow's home, written when a pass over the folder found anything new; beside
it a small index of which file gives which DAG. An entry counts only while the file, everything that it includes, and
what reads it (this package, the installed phase types, the profile, the teams) are the same. What cannot be read or
written is no error: the file is parsed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from mlops_dag_factory.phases import ENTRY_POINT_GROUP
from mlops_dag_factory.reading import inspect_workflow
from mlops_dag_factory.spec import Workflow
from mlops_dag_factory.teams import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOT_IN_JSON = (b".nan", b".inf")


class SpecCache:
    """What is remembered of one folder of workflow files; `home` is where."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:20]
        self._path = (home or default_home()) / f"{name}.json"
        self._index = self._path.with_suffix(".index")
        self._before: dict[str, Any] | None = None
        self._now: dict[str, Any] = {}

    def read(self, file: Path, content: bytes, profile: str = "") -> Workflow:
        """Give the workflow of a file whose bytes are `content`; WorkflowError carries all its problems."""
        if self._before is None:
            self._before = _load(self._path)
        key = hashlib.sha256(content + _environment(profile)).hexdigest()
        entry = self._before.get(str(file))
        if isinstance(entry, dict) and (workflow := _stored(entry, key)) is not None:
            self._now[str(file)] = entry
            return workflow
        reading = inspect_workflow(file, profile)
        workflow = reading.result()
        if reading.document is not None and not any(word in content.lower() for word in _NOT_IN_JSON):
            parts = {str(part): _digest(part) for part in reading.document.parts}
            self._now[str(file)] = {"key": key, "parts": parts, "data": reading.document.data}
        return workflow

    def write(self, owners: Mapping[str, Path]) -> None:
        """Remember what was read since the cache was opened, and nothing else; and which file gives which DAG."""
        if self._now != self._before:
            _write(self._path, self._now)
        index = {dag_id: str(path) for dag_id, path in owners.items()}
        if index != _load(self._index):
            _write(self._index, index)

    def file_of(self, dag_id: str) -> Path | None:
        """Give the file that last gave a DAG."""
        path = _load(self._index).get(dag_id)
        return Path(path) if isinstance(path, str) else None


def default_home() -> Path:
    """Give the folder in Airflow's home."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "mlops" / "specs"


def _stored(entry: dict[str, Any], key: str) -> Workflow | None:
    try:
        if entry["key"] == key and _unchanged(entry["parts"].items()):
            return Workflow.model_validate(entry["data"])
    except (KeyError, AttributeError, TypeError, ValidationError):  # somebody wrote something else into the file
        pass
    return None


def _unchanged(parts: Iterable[tuple[str, str]]) -> bool:
    return all(_digest(Path(part)) == digest for part, digest in parts)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _load(path: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file, whole or not at all."""
    with suppress(OSError, TypeError):  # a folder that cannot be written, a value that JSON has not
        text = orjson.dumps(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=".")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
        Path(aside).replace(path)


def _environment(profile: str) -> bytes:
    """Give what else decides how a file is read."""
    teams = os.environ.get(VARIABLE, "")
    return f"\0{profile}\0{_installed()}\0{teams}\0{_digest(Path(teams)) if teams else ''}".encode()


@cache
def _installed() -> str:
    types = sorted(
        f"{entry.name}={entry.value}={entry.dist.version if entry.dist else ''}"
        for entry in entry_points(group=ENTRY_POINT_GROUP)
    )
    return "\0".join([version("airflow-provider-mlops"), *types])
