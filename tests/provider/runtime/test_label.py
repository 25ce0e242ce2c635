"""Labels by people, against a real Label Studio: nothing twice, nothing lost, disagreement left out."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlops_dag_factory.spec import LabelSpec
from mlops_provider.exceptions import ConfigError, DataError, LabelServerError
from mlops_provider.hooks.label_studio import LabelStudioHook
from mlops_provider.runtime.label import is_enough, push
from mlops_provider.runtime.label_studio import LabelStudio
from mlops_provider.runtime.table import read_frame

pytestmark = pytest.mark.timeout(600)

MAIL = "id,text,guess\n" + "".join(f"{i},mail {i},{'spam' if i % 3 else 'ham'}\n" for i in range(6))


@pytest.fixture
def desk(bench, label_server, request):
    return Desk(bench, label_server, request.node.name)


class Desk:
    """A label phase with its inputs."""

    def __init__(self, bench, server, name):
        self.bench, self.server = bench, server
        self.phase = name[:40]
        self.fields = {"data": "d", "conn_id": "desk", "template": "text", "column": "text", "labels": ["spam", "ham"]}
        self.data = bench.csv("mail.csv", MAIL)
        self.address = server.address()

    def spec(self, **fields):
        return LabelSpec(**{**self.fields, "keys": ["id"], **fields})

    def context(self):
        return self.bench.context(self.phase, "label", connections={"desk": self.address})

    def push(self, **fields):
        return push(self.spec(**fields), {"data": [self.data]}, self.context())

    def enough(self, **fields):
        return is_enough(self.spec(**fields), {"data": [self.data]}, self.context())

    def run(self, run="run-1", **fields):
        return self.bench.run(
            self.spec(**fields), {"data": self.data}, phase=self.phase, run_id=run, connections={"desk": self.address}
        )


def test_rows_are_pushed_once_and_labels_come_back_as_a_column(desk):
    project = desk.push(suggestion="guess")
    assert desk.push(suggestion="guess") == project
    tasks = desk.server.tasks(project)
    assert [task["data"]["row"] for task in tasks] == [f"mail {i}" for i in range(6)]
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["ham"]}
    assert desk.enough() == (False, "0 of 6 tasks are labelled, 6 are waited for")

    for task in tasks:
        desk.server.label(task, "spam" if task["data"]["row"] in {"mail 1", "mail 5"} else "ham")
    assert desk.enough()[0]
    outcome = desk.run()

    frame = read_frame(desk.bench.store, outcome.outputs["data"])
    assert frame.columns.tolist() == ["id", "text", "guess", "label"]
    assert frame.set_index("id")["label"].to_dict() == {0: "ham", 1: "spam", 2: "ham", 3: "ham", 4: "ham", 5: "spam"}
    assert outcome.metrics == {"rows": 6.0, "disagreed": 0.0, "annotations": 6.0}


def test_a_later_run_adds_the_new_rows_and_knows_the_labels_of_the_others(desk):
    project = desk.push()
    for task in desk.server.tasks(project):
        desk.server.label(task, "ham")
    desk.data = desk.bench.csv("mail.csv", MAIL + "6,mail 6,ham\n")

    assert desk.push() == project
    assert desk.enough() == (False, "6 of 7 tasks are labelled, 7 are waited for")
    desk.server.label(desk.server.tasks(project)[-1], "spam")

    frame = read_frame(desk.bench.store, desk.run().outputs["data"])
    assert frame.sort_values("id")["label"].tolist() == ["ham"] * 6 + ["spam"]


def test_rows_on_which_people_do_not_agree_are_left_out(desk):
    fields = {"overlap": 3, "agreement": 0.6, "minimum": 2}
    project = desk.push(**fields)
    votes = {"mail 0": ["ham", "ham", "spam"], "mail 1": ["spam", "ham", "spam"], "mail 2": ["ham"]}
    for task in desk.server.tasks(project):
        for choice in votes.get(task["data"]["row"], ()):
            desk.server.label(task, choice)

    frame = read_frame(desk.bench.store, desk.run(**fields).outputs["data"])
    assert frame.sort_values("id")["label"].tolist() == ["ham", "spam"]
    with pytest.raises(DataError, match="no row has a label that people agree on"):
        desk.run("run-3", **{**fields, "agreement": 0.9})


def test_labels_that_were_deleted_meanwhile_are_missed_and_may_come_back(desk):
    project = desk.push()
    for task in desk.server.tasks(project):
        desk.server.label(task, "ham")
    assert desk.enough()[0]
    for task in desk.server.tasks(project)[:2]:
        desk.server.call("DELETE", f"/api/annotations/{task['annotations'][0]['id']}/")

    with pytest.raises(LabelServerError, match="4 of 6 rows are labelled: were labels deleted") as error:
        desk.run()
    assert error.value.retryable


def test_a_project_that_was_deleted_is_made_anew(desk):
    project = desk.push()
    desk.server.call("DELETE", f"/api/projects/{project}/")

    again = desk.push()

    assert again != project
    assert len(desk.server.tasks(again)) == 6


def test_pictures_and_whole_rows_are_shown(desk):
    desk.data = desk.bench.csv("pictures.csv", "id,picture\n1,https://pictures.example.com/1.png\n")
    picture = desk.push(template="image", column="picture")
    assert "<Image" in desk.server.call("GET", f"/api/projects/{picture}").json()["label_config"]
    desk.phase += "_rows"
    row = desk.push(template="table", column="", keys=[])
    assert desk.server.tasks(row)[0]["data"]["row"] == {"id": 1, "picture": "https://pictures.example.com/1.png"}


def test_a_personal_token_is_exchanged_and_renewed(label_server):
    server = LabelStudio.at(label_server.address(label_server.personal_token))
    assert server.whoami() == "owner@example.com"
    server._access = "eyJhbGciOiJIUzI1NiJ9.e30.expired"
    assert server.version().startswith("1.23")
    assert server.whoami() == "owner@example.com"


def test_a_wrong_token_is_said_and_not_shown(desk):
    desk.address = desk.server.address("0123456789wrong")

    with pytest.raises(ConfigError, match=r"refused (GET|POST) /api") as error:
        desk.push()
    assert "0123456789wrong" not in str(error.value)
    with pytest.raises(ConfigError, match="no connection 'desk'"):
        push(desk.spec(), {"data": [desk.data]}, desk.bench.context(desk.phase, "label"))


def test_the_connection_tests_itself(label_server, monkeypatch):
    for name, token in {"DESK": label_server.personal_token, "WRONG": "x"}.items():
        connection = {
            "conn_type": "label_studio",
            "host": "http://127.0.0.1",
            "port": label_server.port,
            "password": token,
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))

    works, said = LabelStudioHook("desk").test_connection()
    assert works
    assert said.startswith("Label Studio 1.23")
    assert said.endswith("as owner@example.com")
    assert LabelStudioHook("wrong").test_connection()[0] is False


class Ill(BaseHTTPRequestHandler):
    """A server in trouble: what it does is in its path's first part."""

    def do_GET(self):
        if self.server.trouble == "slow":
            time.sleep(3)
        status = 200 if self.server.trouble in {"slow", "babble"} else int(self.server.trouble)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"<html>not json")

    def log_message(self, *args):
        """Say nothing."""


@pytest.mark.parametrize("trouble", ["500", "502", "429", "slow", "babble", "down"])
def test_a_server_in_trouble_may_be_asked_again(trouble):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ill)
    server.trouble = trouble
    if trouble == "down":
        server.server_close()
    else:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    client = LabelStudio(f"http://127.0.0.1:{server.server_port}", "token", timeout=0.5)

    with pytest.raises(LabelServerError) as error:
        client.progress(1)
    assert error.value.retryable
    if trouble != "down":
        server.shutdown()
