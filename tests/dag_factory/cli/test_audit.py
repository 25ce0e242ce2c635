"""`mlops audit` and `mlops explain`: what people and scripts get, and what they are told where nothing is found."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.provider.conftest import Bench
from tests.provider.runtime.audit.conftest import Story

from mlops_dag_factory.cli.main import mlops


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    made = Story(Bench(tmp_path_factory.mktemp("cli")))
    made.answers = made.send(made.rows.head(3), "asked-1")
    return made


def run(story, *arguments):
    return CliRunner().invoke(mlops, [*arguments, "--store", story.store.url], env={"COLUMNS": "200"})


def test_audit_says_each_link_in_a_line_writes_a_page_and_ends_with_0(story, tmp_path):
    result = run(story, "audit", "asked-1", "--row", "1", "--service", "flow/production", "--page", tmp_path / "a.html")

    assert result.exit_code == 0, result.output
    assert "request asked-1, row 1, answered by flow/production" in result.output
    assert "Who decided                 whole    Rita approved approval" in result.output
    assert "Every link is whole" in (tmp_path / "a.html").read_text()


def test_audit_of_a_version_and_of_a_run_give_the_same_json(story):
    version, run_ = (
        run(story, "audit", "--version", "flow", "1", "--json"),
        run(story, "audit", "--run", "flow", "run-1", "--json"),
    )

    assert json.loads(version.output)["links"] == json.loads(run_.output)["links"]


def test_audit_ends_with_1_and_names_the_link_that_is_broken(story):
    path = story.store.files.path("flow/runs/run-1/quality/0001.json")
    before = path.read_bytes()
    path.unlink()
    try:
        result = run(story, "audit", "asked-1")
    finally:
        path.write_bytes(before)

    assert result.exit_code == 1
    assert "the record of quality with digest" in result.output


def test_explain_shows_what_contributed_most(story, tmp_path):
    shown = run(story, "explain", "asked-1", "--row", "1", "--page", tmp_path / "e.html")
    data = json.loads(run(story, "explain", "asked-1", "--row", "1", "--json").output)

    assert shown.exit_code == 0, shown.output
    assert f"answered {story.answers[1]} with probability" in shown.output
    assert data["contributions"][0]["feature"] in shown.output
    assert data["contributions"][0]["feature"] in (tmp_path / "e.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["audit"], 2, "name one of"),
        (["audit", "asked-1", "--run", "flow", "run-1"], 2, "name one of"),
        (["audit", "nobody"], 1, "is not in the prediction log of flow/production"),
        (["audit", "asked-1", "--since", "soon"], 2, "neither a duration (7d) nor a moment"),
        (["audit", "--version", "flow", "12"], 1, "has no version '12'"),
        (["explain", "nobody", "--since", "2d"], 1, "since"),
        (["explain", "asked-1", "--row", "77"], 1, "has no row 77"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(story, arguments, code, said):
    result = run(story, *arguments)

    assert result.exit_code == code
    assert said in result.output
    assert "Traceback" not in result.output
