"""A document: the data of a workflow file and where each node stands."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yaml.reader import ReaderError

from mlops_dag_factory.errors import Problem, WorkflowError
from mlops_dag_factory.source.builder import Builder, Mistake, Place, Places, StructureError
from mlops_dag_factory.source.syntax import explain

if TYPE_CHECKING:
    from mlops_dag_factory.errors import Finding, Location

MAX_BYTES = 5_000_000
ENDINGS = (".yaml", ".yml")
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_EXAMPLE = "a workflow file starts with 'workflow: <id>' and has 'phases:'"


@dataclass(frozen=True, slots=True)
class Document:
    """Data and places of one file; where `data` is None, `problems` say why.

    `parts` are the other files that decide what it means, those too that are not there.
    """

    file: str
    data: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()
    places: Places = field(default_factory=dict)
    parts: tuple[Path, ...] = ()

    def place(self, loc: Location, *, key: bool = False) -> tuple[str, int, int]:
        """Give file, line and column, from 1, of a node or its key; of the nearest key above where it is missing."""
        place, known, _ = self.find(loc)
        if place is None:
            return self.file, 1, 1
        mark = place.key if key or known < len(loc) else place.value
        return place.file or self.file, mark.line + 1, mark.column + 1

    def problem(self, finding: Finding) -> Problem:
        """Give a finding its place in this file; text that stands for a map or a list is itself the place."""
        _, known, node = self.find(finding.loc)
        if known and not isinstance(node, dict | list):
            finding = replace(finding, loc=finding.loc[:known])
        return finding.in_file(*self.place(finding.loc, key=finding.at == "key"))

    def find(self, loc: Location) -> tuple[Place | None, int, Any]:
        """Walk down a location: the last place found, how many parts of it exist, the node there."""
        node: Any = self.data
        place: Place | None = None
        for index, part in enumerate(loc):
            children = self.places.get(id(node), {}) if isinstance(node, dict | list) else {}
            if part not in children:
                return place, index, node
            place, node = children[part], node[part]
        return place, len(loc), node


def workflow_files(folder: Path) -> list[Path]:
    """Give the workflow files below a folder, in an order that does not change.

    Files and folders whose names start with '_' or '.' are parts of others: they are left out.
    """
    found: list[Path] = []
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.startswith(("_", ".")):
                    continue
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.name.endswith(ENDINGS):
                    found.append(Path(entry.path))
    return sorted(found)


def read_text_of(path: Path) -> str:
    """Read a file of at most 5 MB in UTF-8; WorkflowError says what is wrong with it."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as err:
        problem = Problem(file=file, code="file", message=f"cannot be read: {err.strerror or err}")
        raise WorkflowError([problem]) from err
    if len(content) > MAX_BYTES:
        raise WorkflowError([_at(file, 0, 0, "size", *_TOO_LARGE)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line, column = _position(content[: err.start].decode("utf-8-sig", "replace"))
        message = f"byte 0x{content[err.start]:02x} is not UTF-8"
        raise WorkflowError([_at(file, line, column, "encoding", message, "save the file as UTF-8")]) from err


_TOO_LARGE = (f"the file is larger than {MAX_BYTES // 1_000_000} MB", "data belongs in the store, not in the workflow")


def parse(text: str, file: str, *, part: bool = False) -> Document:
    """Turn text into a document; mistakes that do not prevent reading on are in its problems.

    A `part` becomes part of another document: each of its places then names its file.
    """
    if len(text) > MAX_BYTES:
        return Document(file, None, (_at(file, 0, 0, "size", *_TOO_LARGE),))
    try:
        builder = Builder(text, file if part else "")
        data = builder.build()
    except StructureError as err:
        return Document(file, None, (_problem(file, err.mistake),))
    except yaml.MarkedYAMLError as err:
        return Document(file, None, (_at_complaint(file, err, text),))
    except (ReaderError, UnicodeEncodeError) as err:
        return Document(file, None, (_unreadable(file, text, err),))
    problems = [_problem(file, mistake) for mistake in builder.mistakes]
    if builder.empty:
        problems.append(_at(file, 0, 0, "empty", "the file is empty", _EXAMPLE))
    elif not isinstance(data, dict):
        found = "a list" if isinstance(data, list) else "a single value"
        problems.append(_at(file, 0, 0, "root", f"the file must be a map of keys and values, found {found}", _EXAMPLE))
    return Document(file, data if isinstance(data, dict) else None, tuple(problems), builder.places)


def _problem(file: str, mistake: Mistake) -> Problem:
    return _at(file, mistake.mark.line, mistake.mark.column, mistake.code, mistake.message, mistake.hint)


def _at_complaint(file: str, error: yaml.MarkedYAMLError, text: str) -> Problem:
    lines = _BREAK.split(text)
    line, column, message, hint, code = explain(error, lines)
    if line >= len(lines):  # libyaml ends the last line where the text does not
        line, column = len(lines) - 1, len(lines[-1])
    return _at(file, line, column, code, message, hint)


def _unreadable(file: str, text: str, error: ReaderError | UnicodeEncodeError) -> Problem:
    if isinstance(error, UnicodeEncodeError):
        index = error.start
    else:  # libyaml counts bytes
        index = len(text.encode()[: error.position].decode(errors="ignore"))
    line, column = _position(text[:index])
    code = ord(text[index]) if index < len(text) else 0
    return _at(file, line, column, "encoding", f"the character U+{code:04X} is not allowed in YAML", "remove it")


def _position(before: str) -> tuple[int, int]:
    lines = _BREAK.split(before)
    return len(lines) - 1, len(lines[-1])


def _at(file: str, line: int, column: int, code: str, message: str, hint: str = "") -> Problem:
    return Problem(file=file, line=line + 1, column=column + 1, code=code, message=message, hint=hint)
