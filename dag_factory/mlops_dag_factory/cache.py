"""The cache of parsing: the data of workflow files that had no errors, found again by the digest of their bytes.

One file per folder of workflows, in Airflow's home, written when a pass over the folder found anything new. Its first
line says which file gives which DAG and where the entry of each file stands, so that the start of a task reads one
entry. An entry counts only while the file, everything that it includes, and what reads it (this package, the installed
phase types, the profile, the teams) are the same. What cannot be read or written is no error: the file is parsed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

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
        self._path = (home or default_home()) / f"{name}.specs"
        self._now: dict[str, bytes] = {}

    def read(self, file: Path, content: bytes, profile: str = "") -> Workflow:
        """Give the workflow of a file whose bytes are `content`; WorkflowError carries all its problems."""
        key = hashlib.sha256(content + _environment(profile)).hexdigest()
        entry = self._entry(str(file))
        if entry and (workflow := _stored(entry, key)) is not None:
            self._now[str(file)] = entry
            return workflow
        reading = inspect_workflow(file, profile)
        workflow = reading.result()
        if reading.document is not None and not any(word in content.lower() for word in _NOT_IN_JSON):
            parts = {str(part): _digest(part) for part in reading.document.parts}
            with suppress(TypeError):  # a value that JSON has not
                self._now[str(file)] = orjson.dumps({"key": key, "parts": parts, "data": reading.document.data})
        return workflow

    def write(self, owners: Mapping[str, Path]) -> None:
        """Remember what was read since the cache was opened, and nothing else; and which file gives which DAG."""
        places, offset = {}, 0
        for file, entry in self._now.items():
            places[file] = [offset, len(entry)]
            offset += len(entry)
        head = {"dags": {dag_id: str(path) for dag_id, path in owners.items()}, "entries": places}
        content = b"\n".join([orjson.dumps(head), b"".join(self._now.values())])
        with suppress(OSError):  # a folder that cannot be written
            if self._path.is_file() and self._path.read_bytes() == content:
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, aside = tempfile.mkstemp(dir=self._path.parent, prefix=".")
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            Path(aside).replace(self._path)

    def file_of(self, dag_id: str) -> Path | None:
        """Give the file that last gave a DAG."""
        dags = self._head.get("dags")
        path = dags.get(dag_id) if isinstance(dags, dict) else None
        return Path(path) if isinstance(path, str) else None

    @cached_property
    def _stream(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except OSError:
            return None

    @cached_property
    def _head(self) -> dict[str, Any]:
        if self._stream is None:
            return {}
        try:
            head = orjson.loads(self._stream.readline())
        except (OSError, ValueError):
            return {}
        self._start = self._stream.tell()
        return head if isinstance(head, dict) else {}

    def _entry(self, file: str) -> bytes:
        if self._stream is None:
            return b""
        try:
            place = self._head["entries"][file]
            self._stream.seek(self._start + place[0])
            return self._stream.read(place[1])
        except (OSError, LookupError, TypeError, ValueError):
            return b""

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()


def default_home() -> Path:
    """Give the folder in Airflow's home."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "mlops" / "specs"


def _stored(text: bytes, key: str) -> Workflow | None:
    try:
        entry = orjson.loads(text)
        if entry["key"] == key and _unchanged(entry["parts"].items()):
            return Workflow.model_validate(entry["data"])
    except (KeyError, AttributeError, TypeError, ValueError):  # somebody wrote something else; ValidationError is one
        pass
    return None


def _unchanged(parts: Iterable[tuple[str, str]]) -> bool:
    return all(_digest(Path(part)) == digest for part, digest in parts)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


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
