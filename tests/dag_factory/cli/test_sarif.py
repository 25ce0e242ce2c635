"""SARIF 2.1.0: what code hosts need to show a problem beside its line."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops

BAD = "workflow: été\nphases:\n  rows: {type: ingest, source: a.csv, soucre: b}\n"


def sarif(*files):
    return json.loads(CliRunner().invoke(mlops, ["validate", "--sarif", *map(str, files)]).output)


def test_each_problem_names_its_rule_its_level_and_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(BAD)

    (run,) = sarif("bad.yaml")["runs"]

    assert run["columnKind"] == "unicodeCodePoints"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"error", "warning"}
    regions = {result["ruleId"]: result["locations"][0]["physicalLocation"]["region"] for result in run["results"]}
    assert regions["unknown-field"] == {"startLine": 3, "startColumn": 39}
    assert regions["pattern"] == {"startLine": 1, "startColumn": 11}


def test_a_file_name_is_a_uri_relative_where_it_lies_below(tmp_path, monkeypatch):
    here, elsewhere = tmp_path / "here", tmp_path / "else where"
    for folder in (here, elsewhere):
        folder.mkdir()
        (folder / "50 % été#.yaml").write_text(BAD)
    monkeypatch.chdir(here)

    for file in (here / "50 % été#.yaml", elsewhere / "50 % été#.yaml"):
        result = sarif(file)["runs"][0]["results"][0]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        parts = urlsplit(uri)
        assert uri.isascii()
        assert parts.fragment == ""
        assert unquote(parts.path) == (str(file) if parts.scheme else file.name)
        assert (parts.scheme == "") == file.is_relative_to(here)
