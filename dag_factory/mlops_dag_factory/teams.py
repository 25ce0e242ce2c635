"""What teams may use: a file that the deployment names, `{grid: {pool: grid, slots: 8}}`."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from mlops_dag_factory.errors import Problem, WorkflowError
from mlops_dag_factory.source import parse, read_text_of
from mlops_dag_factory.spec.base import ParseTimeSpec

VARIABLE = "MLOPS_TEAMS"


class Team(ParseTimeSpec):
    """The pool of a team and how much of it one phase may take."""

    pool: str = Field(description="Airflow pool of the team's phases.")
    slots: int = Field(ge=1, description="Slots of the pool.")


def teams() -> dict[str, Team]:
    """Give the teams of the file that MLOPS_TEAMS names; none without it. WorkflowError says what is wrong with it."""
    path = os.environ.get(VARIABLE)
    return _read(path, Path(path).stat().st_mtime_ns if Path(path).is_file() else 0) if path else {}


@lru_cache(maxsize=4)
def _read(path: str, _changed: int) -> dict[str, Team]:
    document = parse(read_text_of(Path(path)), path)
    if document.problems:
        raise WorkflowError(document.problems)
    try:
        return TypeAdapter(dict[str, Team]).validate_python(document.data)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(map(str, first["loc"]))
        hint = "teams stand as {name: {pool: …, slots: …}}"
        raise WorkflowError([Problem(file=path, path=where, code="teams", message=first["msg"], hint=hint)]) from err
