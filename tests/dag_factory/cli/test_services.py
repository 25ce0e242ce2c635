"""`mlops services` and `mlops serve`: what people see, in words and as JSON."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_provider.refs import ModelRef
from mlops_provider.store.service_reports import ServerReport, write_report
from mlops_provider.store.services import Change, ServedVersion, now, set_version
from mlops_provider.store.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for name in ("1", "2"):
        model = ModelRef(uri=f"u/{name}", digest=name * 64, name="camera", version=name)
        change = Change(id=name, action="release", by="ana", at=now(), reason="drift")
        set_version(store, "camera", "production", ServedVersion(version=name, model=model), change)
    said = {"2": {"status": "failed", "digest": "2" * 64, "message": "golden row 3 differs"}}
    report = ServerReport(server_id="a", url="http://here:1", at=now(), revision=2, versions=said)
    write_report(store, "camera", "production", report)
    return store


def run(*arguments, **environment):
    return CliRunner().invoke(mlops, list(arguments), env={"COLUMNS": "200", **environment})


def test_services_lists_what_runs_and_how_the_servers_are(store):
    shown = run("services", "--store", store.url)
    data = json.loads(run("services", "--store", store.url, "--json").output)

    for word in ("camera/production", "release", "ana", "http://here:1", "failed", "golden row 3 differs"):
        assert word in shown.output
    assert data[0]["version"] == "2"
    assert data[0]["servers"] == [{"url": "http://here:1", "status": "failed", "message": "golden row 3 differs"}]


def test_services_show_gives_the_history(store):
    rows = json.loads(run("services", "show", "camera/production", "--store", store.url, "--json").output)
    shown = run("services", "show", "camera", AIRFLOW__MLOPS__STORE=store.url)

    assert [(row["revision"], row["version"], row["reason"]) for row in rows] == [(1, "1", "drift"), (2, "2", "drift")]
    assert shown.exit_code == 0
    assert "222222222222" in shown.output


def test_an_unknown_service_is_a_usage_error_that_names_the_known(store):
    answer = run("services", "show", "camera/staging", "--store", store.url)

    assert answer.exit_code == 2
    assert "services: camera/production" in answer.output


def test_an_empty_store_says_so(tmp_path):
    answer = run("services", "--store", str(tmp_path))

    assert answer.exit_code == 0
    assert "no services in" in answer.output


def test_serve_refuses_an_empty_token_file(tmp_path):
    (tmp_path / "token").write_text("\n")

    answer = run("serve", "--store", str(tmp_path), "--token-file", str(tmp_path / "token"))

    assert answer.exit_code == 2
    assert "is empty" in answer.output
