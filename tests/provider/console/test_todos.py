"""To-dos on the web: who sees them, who may tick them off, and what a note is for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.api_fastapi.app import create_auth_manager, init_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from mlops_provider.store import todos
from mlops_provider.store.chain import Chain
from mlops_provider.store.standing import Actor
from mlops_provider.store.store import Store
from mlops_provider.store.todos import Todo, list_todos, open_todo, todo_id

HTML = {"Accept": "text/html"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__STORE", str(tmp_path / "store"))
    return Store(tmp_path / "store")


@pytest.fixture
def app(store):
    from mlops_provider.console.app import app

    return app


@pytest.fixture
def client(app, monkeypatch):
    """A client who is olga, may read the workflow `rain`, and has the right to answer."""
    from mlops_provider.console import todos as routes

    user = SimpleNamespace(get_name=lambda: "olga", get_id=lambda: "1")
    [may_tick] = [route.dependencies[0].dependency for route in routes.router.routes if "POST" in route.methods]
    monkeypatch.setitem(app.dependency_overrides, get_user, lambda: user)
    monkeypatch.setitem(app.dependency_overrides, may_tick, lambda: None)
    manager = SimpleNamespace(get_authorized_dag_ids=lambda user: {"rain"})
    monkeypatch.setattr(routes, "get_auth_manager", lambda: manager)
    return TestClient(app)


def opened(store, workflow="rain", users=("olga",), text="Clean <b>the lens</b>"):
    fields = {"role": "operators", "why": "wind moved", "environment": "production", "source": "rain/r/decide"}
    todo = Todo(
        id=todo_id(f"{workflow}{text}"),
        workflow=workflow,
        users=users,
        text=text,
        report=f"{store.url}/rain/reports/abc",
        opened_at="2026-01-01T00:00:00.000+00:00",
        **fields,
    )
    return open_todo(store, todo)


def test_nobody_sees_to_dos_without_a_login(app, store):
    create_auth_manager()
    init_auth_manager(app)
    todo = opened(store)
    client = TestClient(app)

    assert client.get("/todos").status_code == 401
    assert client.post(f"/dags/rain/todos/{todo.id}", json={"note": "x"}).status_code == 401
    assert list_todos(store)[0].open


def test_the_page_has_a_form_and_what_was_written_is_on_record(client, store):
    todo = opened(store)
    opened(store, workflow="snow", text="of another team")

    page = client.get("/todos", headers=HTML)
    assert "Clean &lt;b&gt;the lens&lt;/b&gt;" in page.text
    assert "of another team" not in page.text
    assert f"action='/dags/rain/todos/{todo.id}'" in page.text
    assert "/dags/rain.monitor/reports/abc/report.html" in page.text
    sent = client.post(f"/dags/rain/todos/{todo.id}", data={"note": "wiped it"}, follow_redirects=False)

    assert (sent.status_code, sent.headers["location"]) == (303, "/todos")
    [done] = [each for each in list_todos(store, "rain") if not each.open]
    assert (done.done_by, done.note) == ("olga", "wiped it")
    assert "wiped it" in client.get("/todos", headers=HTML).text
    assert client.get("/todos").json()[0]["note"] == "wiped it"


@pytest.mark.parametrize(("users", "note", "status"), [(("ana",), "x", 403), (("olga",), " ", 422)])
def test_whose_it_is_not_and_who_says_nothing_is_refused(client, store, users, note, status):
    todo = opened(store, users=users)

    refused = client.post(f"/dags/rain/todos/{todo.id}", json={"note": note})
    shown = client.post(f"/dags/rain/todos/{todo.id}", data={"note": note or " "}, headers=HTML)

    assert (refused.status_code, shown.status_code) == (status, status)
    assert list_todos(store)[0].open


def test_what_is_done_or_not_there_is_refused(client, store):
    todo = opened(store)
    assert client.post(f"/dags/rain/todos/{todo.id}", json={"note": "first"}).status_code == 200

    assert client.post(f"/dags/rain/todos/{todo.id}", json={"note": "second"}).status_code == 409
    assert client.post("/dags/rain/todos/nothing", json={"note": "x"}).status_code == 404
    assert client.post(f"/dags/rain/todos/{todo.id}", json=["x"]).status_code == 422
    foreign = {"sec-fetch-site": "cross-site"}
    assert client.post(f"/dags/rain/todos/{todo.id}", json={"note": "x"}, headers=foreign).status_code == 403


def test_of_two_who_tick_off_at_once_the_second_hears_who_was_first(client, store, monkeypatch):
    todo = opened(store, users=())
    ana = Actor(workflow="rain", identity="x", run="", by="ana", reason="was quicker")
    listed = todos.list_todos

    def late(*names):
        found = listed(*names)
        monkeypatch.setattr(todos, "list_todos", listed)
        todos.tick_off(store, "rain", todo.id, ana)  # between olga's look and her answer
        return found

    monkeypatch.setattr(todos, "list_todos", late)
    refused = client.post(f"/dags/rain/todos/{todo.id}", json={"note": "mine"})

    assert (refused.status_code, "ana has ticked off" in refused.text) == (409, True)
    assert [entry.by for entry in Chain(store, "rain").entries()] == ["ana"]


def test_a_to_do_whose_opening_was_cut_short_hides_no_other(client, store):
    todo = opened(store)
    (Path(store.url) / "rain" / "todos" / "0123456789").mkdir()

    assert [each["id"] for each in client.get("/todos").json()] == [todo.id]
    assert client.post("/dags/rain/todos/0123", json={"note": "x"}).status_code == 404
