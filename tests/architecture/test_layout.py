"""The layout: source roots stay plain folders, modules stay small."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "provider" / "mlops_provider", ROOT / "dag_factory" / "mlops_dag_factory")
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))


@pytest.mark.parametrize("root", ["provider", "dag_factory", "dags", "tests", "."])
def test_a_source_root_is_no_package(root):
    assert not (ROOT / root / "__init__.py").exists()


def test_tests_hold_no_packages():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_folder_of_a_package_has_an_init():
    folders = {path.parent for path in MODULES}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_module_is_long_and_most_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in MODULES}

    assert {path.name: length for path, length in lengths.items() if length > 500} == {}
    assert statistics.median(lengths.values()) <= 110


def test_there_is_no_room_for_odds_and_ends():
    names = {part for path in MODULES for part in (path.stem, path.parent.name)}

    assert not names & {"utils", "util", "helpers", "helper", "common", "misc"}
