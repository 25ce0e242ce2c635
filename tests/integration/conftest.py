"""A real Airflow and a real model server for the whole session of integration tests."""

from __future__ import annotations

import json
import os
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops_dag_factory.local.airflow import LocalAirflow
from mlops_dag_factory.local.home import LocalHome
from mlops_dag_factory.local.server import LocalServer

LINK_KEY = secrets.token_urlsafe(48)
MODULES = Path(__file__).parent / "modules"


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    home = LocalHome(tmp_path_factory.mktemp("airflow"))
    home.create()
    return home


class Inbox(BaseHTTPRequestHandler):
    """Takes JSON messages; refuses the first ones, as many as the server says."""

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls += 1
        refused = self.server.calls <= self.server.refuses
        if not refused:
            self.server.messages.append((self.headers["Authorization"], message))
        self.send_response(503 if refused else 200)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def receiver(refuses):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    server.calls, server.messages, server.refuses = 0, [], refuses
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="session")
def inbox():
    with receiver(refuses=1) as server:
        yield server


@pytest.fixture(scope="session")
def mailbox():
    """Takes what is sent to the people who approve."""
    with receiver(refuses=0) as server:
        yield server


@pytest.fixture(scope="session")
def airflow(home, inbox, mailbox):
    connection = {"conn_type": "http", "host": "127.0.0.1", "port": inbox.server_port, "password": "let-me-in"}
    mail = {"conn_type": "http", "host": "127.0.0.1", "port": mailbox.server_port}
    settings = {
        "AIRFLOW__MLOPS__ALLOWED_IMPORTS": "sklearn.,slow_parts",
        "AIRFLOW__MLOPS__ALLOWED_NOTIFIERS": "airflow.providers.,pagers.",
        "AIRFLOW__MLOPS__LINK_KEY": LINK_KEY,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,reviewer:op,rita:user,una:user,vera:viewer",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(MODULES), os.environ.get("PYTHONPATH")])),
        "AIRFLOW_CONN_OWNER": json.dumps(connection),
        "AIRFLOW_CONN_MAIL": json.dumps(mail),
    }
    with LocalAirflow(home, settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def server(home):
    with LocalServer(home) as running:
        yield running
