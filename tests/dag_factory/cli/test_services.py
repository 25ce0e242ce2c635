"""`mlops services` and `mlops serve`: what people see, in words and as JSON."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_provider.refs import ModelRef
from mlops_provider.store import rollouts
from mlops_provider.store.rollbacks import rollback_target
from mlops_provider.store.service_reports import ServerReport, write_report
from mlops_provider.store.services import (
    Change,
    Rollout,
    ServedVersion,
    now,
    read_service,
    service_history,
    set_version,
    stop_service,
)
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


def test_a_release_under_way_and_why_each_step_was_taken_are_shown(store):
    service = read_service(store, "camera", "production")
    rollout = Rollout(
        identity="camera/run-3/live", run="run-3", by="ana", strategy="canary", candidate="3", stable="2",
        since=now(), until="2099-01-01T00:00:00+00:00", steps=2,
    )  # fmt: skip
    model = ModelRef(uri="u/3", digest="3" * 64, name="camera", version="3")

    def change(name, reason):
        return Change(id=name, action="weights", by="ana", at=now(), reason=reason)

    started = rollouts.start(store, service, model, rollout, change("start", "a new model"))
    until, held = rollout.until, "523 requests; error_rate = 0.001: error_rate <= 0.01 holds"
    rollouts.step(store, started, rollout.identity, 1, {"2": 80, "3": 20}, until, change("step", held))

    listed = run("services", "--store", store.url).output
    shown = run("services", "show", "camera", "--store", store.url).output

    assert "2 (80 %), 3 (20 %); 3 by canary, step 1 of 2, run run-3" in " ".join(listed.split())
    assert f"4: {held}\n" in shown
    stop_service(store, "camera", "production", Change(id="stop", action="stop", by="ana", at=now()))
    assert read_service(store, "camera", "production").rollout is None
    assert rollback_target(service_history(store, "camera", "production"), "previous").version == "2"
