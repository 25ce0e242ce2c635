"""Problems as SARIF 2.1.0, which code hosts and editors show beside the lines."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_dag_factory.errors import Problem

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(problems: Iterable[Problem]) -> str:
    """Give one run of the tool with a result for each problem; paths are relative to the working folder."""
    problems = list(problems)
    codes = sorted({problem.code for problem in problems})
    driver = {
        "name": "mlops validate",
        "version": version("airflow-provider-mlops"),
        "rules": [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes],
    }
    results = [_result(problem, codes.index(problem.code)) for problem in problems]
    return json.dumps(
        {
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
        },
        indent=1,
        ensure_ascii=False,
    )


def _result(problem: Problem, rule: int) -> dict[str, Any]:
    subject = f"{problem.path}: " if problem.path else ""
    hint = f" ({problem.hint})" if problem.hint else ""
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem.file)}}
    if problem.line:
        location["region"] = {"startLine": problem.line, "startColumn": max(1, problem.column)}
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": f"{subject}{problem.message}{hint}"},
        "locations": [{"physicalLocation": location}],
    }


def _uri(file: str) -> str:
    """Give a path as RFC 3986 wants it: relative to the working folder where it lies below it."""
    path, here = Path(file), Path.cwd()
    if path.is_absolute():
        return quote(path.relative_to(here).as_posix()) if path.is_relative_to(here) else path.as_uri()
    return quote(path.as_posix())
