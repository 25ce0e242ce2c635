"""The line that a problem stands in, with a caret below its column."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_dag_factory.errors import Problem

WIDTH = 100
_UNPRINTED = frozenset({"secret"})  # the excerpt would repeat it, into a log perhaps


def excerpt(problem: Problem) -> str:
    """Give the excerpt, or nothing where there is no line to show."""
    if not problem.line or problem.code in _UNPRINTED:
        return ""
    lines = _lines(problem.file)
    if problem.line > len(lines):
        return ""
    text = lines[problem.line - 1]
    start = max(0, problem.column - WIDTH)
    part = "".join(character if character.isprintable() else " " for character in text[start : start + WIDTH + 20])
    number = str(problem.line)
    gutter = " " * len(number)
    return f"  {number} | {part}\n  {gutter} | {' ' * (problem.column - 1 - start)}^"


@lru_cache(maxsize=8)
def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError:
        return []
