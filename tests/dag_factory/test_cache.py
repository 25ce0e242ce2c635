"""The cache of parsing: found again while nothing has changed, never believed otherwise."""

from __future__ import annotations

import pytest

from mlops_dag_factory import cache as module
from mlops_dag_factory.cache import SpecCache
from mlops_dag_factory.errors import WorkflowError
from mlops_dag_factory.reading import read_workflow

TEXT = """
workflow: w
include: [_shared.yaml]
phases:
  parts: {type: split, data: rows, resources: {}}
  sub: {type: workflow, workflow: inner}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "w.yaml").write_text(TEXT)
    (tmp_path / "_shared.yaml").write_text("phases: {rows: {type: ingest, source: a.csv}}\n")
    return tmp_path


@pytest.fixture
def parsed(monkeypatch):
    """The files that were parsed, and not taken from the cache."""
    files = []
    original = module.inspect_workflow
    monkeypatch.setattr(
        module, "inspect_workflow", lambda file, *more: files.append(file.name) or original(file, *more)
    )
    return files


def read(folder, profile=""):
    """Read as one pass of the dag-processor does."""
    file = folder / "w.yaml"
    cache = SpecCache(folder, folder / "cache")
    workflow = cache.read(file, file.read_bytes(), profile)
    cache.write({workflow.workflow: file})
    cache.close()
    return workflow


def test_the_second_time_gives_an_equal_workflow_without_parsing(folder, parsed):
    first, second = read(folder), read(folder)

    assert first == second == read_workflow(folder / "w.yaml")
    assert first.phases["parts"].model_fields_set == second.phases["parts"].model_fields_set
    assert parsed == ["w.yaml"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w.yaml", TEXT + "tags: [new]\n"),
        ("_shared.yaml", "phases: {rows: {type: ingest, source: b.csv}}\n"),
        ("inner.yaml", "workflow: inner\nphases: {x: {type: ingest, source: x.csv}}\n"),
    ],
)
def test_a_change_of_anything_that_it_is_made_of_is_seen(folder, parsed, name, text):
    before = read(folder)
    (folder / name).write_text(text)

    after = read(folder)
    assert after != before
    assert after == read_workflow(folder / "w.yaml")
    assert parsed == ["w.yaml", "w.yaml"]


def test_a_profile_and_a_new_phase_type_are_other_entries(folder, parsed, monkeypatch):
    read(folder)
    read(folder, "production")
    monkeypatch.setattr(module, "_installed", lambda: "another version")
    read(folder, "production")

    assert parsed == ["w.yaml"] * 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content[:-100],
        lambda content: b"[]\n" + content,
        lambda content: b'{"entries": {"x": 3}, "dags": 7}\n',
        lambda content: content.replace(b'"phases"', b'"phasez"'),
    ],
)
def test_a_damaged_entry_is_parsed_anew(folder, parsed, damage):
    expected = read(folder)
    [entries] = (folder / "cache").iterdir()
    entries.write_bytes(damage(entries.read_bytes()))

    assert read(folder) == expected
    assert read(folder) == expected
    assert len(parsed) == 2


def test_a_file_with_errors_is_never_remembered(folder, parsed):
    (folder / "_shared.yaml").write_text("phases: {rows: {type: ingst}}\n")

    for _ in range(2):
        with pytest.raises(WorkflowError):
            read(folder)
    assert len(parsed) == 2


def test_a_file_that_is_gone_is_forgotten_and_the_index_names_the_file_of_each_dag(folder):
    read(folder)
    (folder / "w.yaml").rename(folder / "v.yaml")
    cache = SpecCache(folder, folder / "cache")
    workflow = cache.read(folder / "v.yaml", (folder / "v.yaml").read_bytes())
    cache.write({workflow.workflow: folder / "v.yaml"})

    [entries] = (folder / "cache").iterdir()
    assert str(folder / "w.yaml") not in entries.read_text()
    assert SpecCache(folder, folder / "cache").file_of("w") == folder / "v.yaml"


def test_what_json_has_not_is_never_remembered(folder, parsed):
    text = TEXT + "  model: {type: train, data: rows, target: y, estimator: a.B, parameters: {missing: .NaN}}\n"
    (folder / "w.yaml").write_text(text)

    for _ in range(2):
        value = read(folder).phases["model"].parameters["missing"]
        assert value != value  # noqa: PLR0124 (only NaN does)
    assert len(parsed) == 2


def test_a_folder_that_cannot_be_written_only_costs_time(folder, parsed):
    (folder / "cache").write_text("a file stands where the folder would be")

    assert read(folder) == read(folder)
    assert len(parsed) == 2
