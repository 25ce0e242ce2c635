"""Golden messages: one file per kind of mistake.

`UPDATE_MESSAGES=1 pytest tests/dag_factory/test_messages.py` writes what is said now as what is expected.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_dag_factory.reading import inspect_profiles

FOLDER = Path(__file__).parent / "messages"
CASES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "part")  # which a case names


@pytest.fixture(autouse=True)
def teams(monkeypatch):
    monkeypatch.setenv("MLOPS_TEAMS", str(FOLDER / "parts" / "teams.yaml"))


def said(path: Path) -> str:
    """Give all that is said about a file, as it is printed."""
    return "".join(f"{problem}\n" for problem in inspect_profiles(path)).replace(f"{FOLDER}/", "")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_message_is_the_expected_one(path):
    expected = path.with_suffix(".txt")
    if os.environ.get("UPDATE_MESSAGES"):
        expected.write_text(said(path))

    assert said(path) == expected.read_text()


def test_each_case_has_a_message_and_each_message_a_case():
    assert {path.stem for path in CASES} == {path.stem for path in FOLDER.glob("*.txt")}
    assert all(path.with_suffix(".txt").read_text().startswith((f"{path.name}:", "parts/")) for path in CASES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_problem_stands_where_the_file_has_text(path):
    for problem in inspect_profiles(path):
        lines = Path(problem.file).read_text(errors="replace").split("\n")
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def test_a_secret_is_never_repeated():
    text = said(FOLDER / "check_secrets.yaml")

    assert "hunter2" not in text
    assert "abc123" not in text
    assert "AKIA" not in text
