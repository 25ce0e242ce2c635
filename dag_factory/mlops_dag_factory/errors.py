"""Problems of a workflow file: where, what was found, what to do. Collected, never one at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning"]
Location = tuple[str | int, ...]
"""Keys and indexes from the root of the file to a node, such as ('phases', 'model', 'gates', 0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a workflow file.

    `line` and `column` count from 1 (0: unknown); `path` is the dotted path of the node, such as
    `phases.train.estimator`; `code` names the rule.
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    code: str
    message: str
    hint: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """Give one line and, where there is one, an indented hint."""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.headline}{hint}"

    @property
    def headline(self) -> str:
        """Where and what, in one line."""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        subject = f" {self.path}" if self.path else ""
        warning = " warning:" if self.severity == "warning" else ""
        return f"{where}{subject}:{warning} {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form: file, line, column, path, code, message, hint, severity."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A mistake at a location of the data; with the place of that location in a file it becomes a problem.

    `at` says which place: the value's or its key's.
    """

    loc: Location
    code: str
    message: str
    hint: str = ""
    severity: Severity = "error"
    at: Literal["value", "key"] = "value"

    @property
    def path(self) -> str:
        """The location as people write it: phases.model.gates[0]."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.loc)
        return "".join(parts).removeprefix(".")

    def in_file(self, file: str, line: int, column: int) -> Problem:
        """Make the problem."""
        return Problem(
            file=file,
            line=line,
            column=column,
            path=self.path,
            code=self.code,
            message=self.message,
            hint=self.hint,
            severity=self.severity,
        )


class WorkflowError(Exception):
    """A workflow file has problems; all of them are in `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Give "did you mean 'x'? " where a known word is close, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'? " if close else ""
