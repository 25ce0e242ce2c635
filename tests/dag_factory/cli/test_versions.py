"""`mlops versions`: what people and scripts see of registered models and of the audit chain."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_provider.refs import ModelRef
from mlops_provider.store.model_versions import claim_name, write_version
from mlops_provider.store.promotions import Judgement, promote, record_version, reserve
from mlops_provider.store.standing import Actor, Holder
from mlops_provider.store.store import Store


def document(version, accuracy):
    lineage = {
        "data": {
            "training": ["a" * 64],
            "validation": [],
            "evaluation": ["b" * 64],
            "made_of": {"a" * 64: {"rows": 1200, "phase": "parts", "type": "split", "made_of": [], "lineage": {}}},
        },
        "code": {"package": "0.1.0", "functions": {"model": {"own:fit": "c" * 64}}, "configuration": "d" * 64},
        "parameters": {"run": {"strength": 2}, "training": {"parameters": {"C": 0.5}}},
        "model": {"estimator": "sklearn.svm.SVC", "python": "3.11.7", "requirements": ["scikit-learn==1.6"]},
        "images": [],
        "metrics": {"quality": {"accuracy": accuracy}},
        "verdicts": [{"phase": "quality", "status": "passed", "digest": "e" * 64}],
        "approvals": [],
    }
    about = {"name": "rain", "version": version, "digest": version * 64, "key": f"rain/models/{version}"}
    people = {"owner": "ana", "run": f"run-{version}", "at": "2026-01-01T10:00:00+00:00", "reason": {"kind": "manual"}}
    return {**about, **people, "workflow": "rain", "champion": {}, "after": 0, "lineage": lineage}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    claim_name(store, "rain", "rain")
    for version, accuracy in (("1", 0.8), ("2", 0.9)):
        actor = Actor(workflow="rain", identity=f"rain/{version}", run=f"run-{version}", by="ana", reason="drift")
        write_version(store, "rain", document(version, accuracy))
        model = ModelRef(uri=store.uri(f"rain/models/{version}"), digest=version * 64, name="rain", version=version)
        holder = Holder.of(store, model, actor)
        record_version(store, "rain", "rain", holder, actor, challenger=True, after=0, payload={})
        if version == "1":
            reserve(store, "rain", "rain", holder, actor, judged=Judgement(), lasts=timedelta(minutes=1))
            approvals = {"approvals": [{"phase": "ok", "by": "Rita", "at": "2026"}]}
            promote(store, "rain", "rain", holder, actor, approvals)
    return store


def run(*arguments, store):
    return CliRunner().invoke(mlops, ["versions", *arguments, "--store", store.url], env={"COLUMNS": "200"})


def test_list_gives_aliases_and_metrics(store):
    shown = run("list", "rain", store=store).output
    rows = json.loads(run("list", "rain", "--json", store=store).output)

    assert [(row["version"], row["alias"], row["metrics"]) for row in rows] == [
        ("1", ["champion"], {"accuracy": 0.8}),
        ("2", ["challenger"], {"accuracy": 0.9}),
    ]
    for word in ("champion", "challenger", "0.8000", "0.9000", "run-2"):
        assert word in shown


def test_show_gives_the_lineage_and_what_happened(store):
    shown = run("show", "rain", "champion", store=store).output
    whole = json.loads(run("show", "rain", "1", "--json", store=store).output)

    for word in (
        "1 of rain (champion)",
        "a" * 20,
        "1,200 rows, by parts (split)",
        "own:fit cccc",
        "Rita",
        "passed",
        "scikit-learn==1.6",
    ):
        assert word in shown
    assert whole["lineage"]["parameters"]["training"]["parameters"] == {"C": 0.5}
    assert [event["what"] for event in whole["history"]] == ["registered", "reserved", "champion"]


def test_history_is_the_chain(store):
    entries = json.loads(run("history", "rain", "--json", store=store).output)
    shown = run("history", "rain", store=store).output

    assert [entry["kind"] for entry in entries] == ["registered", "reserved", "champion", "registered"]
    assert [entry["previous"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    assert "drift" in shown


def test_verify_ends_with_1_and_names_the_entry_that_was_changed(store):
    whole = run("verify", "rain", store=store)
    path = store.files.path("rain/audit/0000000003.json")
    path.write_text(path.read_text().replace("Rita", "Eve"))

    broken = run("verify", "rain", store=store)
    as_json = json.loads(run("verify", "rain", "--json", store=store).output)

    assert (whole.exit_code, broken.exit_code) == (0, 1)
    assert "the audit chain of rain is whole: 4 entries" in whole.output
    assert "entry 3: it was changed: its content does not give its hash" in broken.output
    assert as_json["findings"] == [{"entry": 3, "what": "it was changed: its content does not give its hash"}]
    read = run("history", "rain", store=store)
    assert read.exit_code == 1
    assert "entry 3 of the audit chain cannot be believed" in read.output
    assert "Traceback" not in read.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "snow"], "nothing is registered under 'snow'"),
        (["show", "rain", "7"], "'rain' has no version '7'"),
        (["show", "snow", "7"], "nothing is registered under 'snow'"),
        (["history", "snow"], "the audit chain of 'snow' is empty"),
        (["verify", "snow"], "the audit chain of 'snow' is empty"),
    ],
)
def test_what_is_not_there_is_named(store, arguments, said):
    asked = run(*arguments, store=store)

    assert asked.exit_code == 2
    assert said in asked.output
