"""`mlops data` and `mlops profile`: what people see and what scripts get."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.reading import inspect_text
from mlops_dag_factory.spec import IngestSpec
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.phase import run_phase
from mlops_provider.store.store import Store


@pytest.fixture
def store(tmp_path):
    for run, source in (("r1", "sklearn:iris"), ("r2", "sklearn:wine")):
        context = RunContext(
            workflow="flowers", run_id=run, phase="rows", phase_type="ingest", owner="ana", store_url=str(tmp_path)
        )
        run_phase(IngestSpec(source=source), {}, context)
    return Store(tmp_path)


def run(*arguments, store=None):
    options = ["--store", store.url] if store else []
    return CliRunner().invoke(mlops, [*map(str, arguments), *options])


def test_the_latest_versions_are_listed_and_one_is_shown(store):
    rows = json.loads(run("data", "list", "--json", store=store).output)
    shown = json.loads(run("data", "show", "flowers", "rows@1", "--json", store=store).output)

    assert [(row["dataset"], row["version"], row["rows"], row["owner"]) for row in rows] == [
        ("rows.data", 2, 178, "ana"),
        ("rows.new", 2, 178, "ana"),
    ]
    assert (shown["rows"], shown["run"], len(shown["columns"])) == (150, "r1", 5)
    assert shown["lineage"]["sources"] == "sklearn:iris"
    assert "rows.data" in run("data", "list", store=store).output
    assert "sepal width (cm)" in run("data", "show", "flowers", "rows@1", store=store).output


def test_a_difference_is_said_and_drawn(store, tmp_path):
    said = run("data", "diff", "flowers", "rows@1", "rows@2", store=store)
    drawn = run("data", "diff", "flowers", "rows@1", "rows@2", "-o", tmp_path / "diff.html", store=store)

    assert "150 → 178 rows" in said.output
    assert "removed: sepal length (cm)" in said.output
    assert drawn.exit_code == 0
    assert "<svg" in (tmp_path / "diff.html").read_text()


def test_proposed_rules_are_a_phase_of_a_workflow(tmp_path):
    done = run("profile", "sklearn:wine", "--rules", "-o", tmp_path / "wine.html")

    phase = yaml.safe_load((tmp_path / "wine.html") and done.stdout)["checked"]
    text = yaml.safe_dump(
        {"workflow": "w", "phases": {"data": {"type": "ingest", "source": "sklearn:wine"}, "c": phase}}
    )
    assert inspect_text(text).problems == ()
    assert phase["columns"]["alcohol"]["type"] == "float"
    assert "<b>alcohol</b>" in (tmp_path / "wine.html").read_text()


def test_damage_is_found_and_garbage_is_only_removed_on_request(store):
    assert run("data", "verify", "flowers", store=store).exit_code == 0
    name = json.loads(run("data", "list", "--json", store=store).output)[0]["digest"]
    [file] = store.files.path("flowers/datasets").glob(f"{name}*/*.parquet")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(bytes(content))
    found = run("data", "verify", "flowers", store=store)
    assert found.exit_code == 1
    assert "has digest" in found.output

    assert "0 may go" in run("data", "clean", "flowers", store=store).output
    assert run("data", "clean", "flowers", "--keep", "soon", store=store).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "flowers", "rose"), "has no dataset 'rose'; it has: rows.data, rows.new"),
        (("show", "flowers", "rows@9"), "has the versions 1 to 2, not '9'"),
        (("show", "trees", "rows"), "it has: none"),
    ],
)
def test_what_is_not_there_is_a_usage_error(store, arguments, message):
    done = run("data", *arguments, store=store)

    assert done.exit_code == 2
    assert message in done.output


def test_a_source_that_cannot_be_read_exits_1(tmp_path):
    done = run("profile", tmp_path / "none.csv")

    assert done.exit_code == 1
    assert "does not exist" in done.output
