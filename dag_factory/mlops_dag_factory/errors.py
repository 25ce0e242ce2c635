"""Problems of a workflow file: where, what was found, what to do. Collected, never one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning"]


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
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        subject = f" {self.path}" if self.path else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{where}{subject}: {self.message}{hint}"


class WorkflowError(Exception):
    """A workflow file has problems; all of them are in `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
