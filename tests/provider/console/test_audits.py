"""The routes of audits and explanations: whose they are, what they show, what they refuse."""

from __future__ import annotations

import pytest
from airflow.api_fastapi.app import create_auth_manager, init_auth_manager
from fastapi.testclient import TestClient
from tests.provider.conftest import Bench
from tests.provider.runtime.audit.conftest import Story

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    made = Story(Bench(tmp_path_factory.mktemp("console")))
    made.answers = made.send(made.rows.head(3), "asked-1")
    return made


@pytest.fixture
def app(story, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__STORE", str(story.store.url))
    from mlops_provider.console.app import app

    return app


@pytest.fixture
def client(app, monkeypatch):
    """A client whose rights were asked already."""
    from mlops_provider.console.audits import router

    monkeypatch.setitem(app.dependency_overrides, router.dependencies[0].dependency, lambda: None)
    return TestClient(app)


def test_nobody_sees_an_audit_without_a_login(app):
    create_auth_manager()
    init_auth_manager(app)

    client = TestClient(app)

    for path in ("requests/asked-1/audit", "requests/asked-1/explanation", "runs/run-1/audit", "versions/1/audit"):
        assert client.get(f"/dags/flow/{path}").status_code == 401, path


@pytest.mark.parametrize("path", ["requests/asked-1/audit", "runs/run-1/audit", "versions/champion/audit"])
def test_an_audit_is_a_page_for_browsers_and_json_for_programs(client, story, path):
    page, data = client.get(f"/dags/flow/{path}", headers=HTML), client.get(f"/dags/flow/{path}").json()

    assert data["whole"] is True
    assert data["links"]["model"]["data"]["digest"] == story.model.digest
    assert "Every link is whole" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_an_explanation_is_a_page_for_browsers_and_json_for_programs(client, story):
    address = "/dags/flow/requests/asked-1/explanation?row=2"
    page, data = client.get(address, headers=HTML), client.get(address).json()

    assert data["answer"] == story.answers[2]
    assert len(data["contributions"]) == len(story.rows.columns)
    assert data["contributions"][0]["feature"] in page.text


def test_what_is_not_there_or_another_workflows_is_not_found(client):
    for path in (
        "/dags/flow/requests/nobody/audit",
        "/dags/flow/requests/asked-1/audit?row=9",
        "/dags/other/requests/asked-1/explanation",
        "/dags/other/versions/1/audit?name=flow",
        "/dags/flow/versions/7/audit",
        "/dags/flow/runs/run-9/audit",
    ):
        assert client.get(path).status_code == 404, path
    assert client.get("/dags/flow/requests/asked-1/audit?since=yesterday").status_code == 422
