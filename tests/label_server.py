"""A real Label Studio, installed in an environment of its own, and people who label."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

PACKAGE = "label-studio>=1.23,<1.24"
PASSWORD = "s3cret-enough"


class LabelServer:
    """The server of one test session; `token` is a legacy token of its owner, `personal_token` one of today's."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self.token = secrets.token_hex(20)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def address(self, token: str = "") -> str:
        return f"http://:{token or self.token}@127.0.0.1:{self.port}"

    def __enter__(self):
        self._install()
        values = {
            "BASE_DATA_DIR": str(self.folder),
            "USERNAME": "owner@example.com",
            "PASSWORD": PASSWORD,
            "USER_TOKEN": self.token,
            "ENABLE_LEGACY_API_TOKEN": "true",
        }
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment |= {f"LABEL_STUDIO_{name}": value for name, value in values.items()}
        environment |= {"COLLECT_ANALYTICS": "false", "HOME": str(self.folder), "LATEST_VERSION_CHECK": "false"}
        command = [self.environment / "bin/label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1"]
        self.log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            env=environment,
            cwd=self.folder,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + 240
        while not self._answers():
            assert time.monotonic() < deadline, "Label Studio did not start"
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.5)
        self.personal_token = self.call("POST", "/api/token/").json()["token"]
        return self

    def __exit__(self, *_) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def _install(self) -> None:
        ready = self.environment / ".ready"
        if not ready.exists():
            uv = Path(sys.executable).parent / "uv"
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, self.environment], check=True)
            python = self.environment / "bin/python"
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, PACKAGE], check=True)
            ready.touch()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def call(self, method, path, **options):
        response = httpx.request(
            method, f"{self.url}{path}", headers={"Authorization": f"Token {self.token}"}, timeout=60, **options
        )
        response.raise_for_status()
        return response

    def tasks(self, project):
        params = {"project": project, "page_size": 1000, "fields": "all"}
        return self.call("GET", "/api/tasks", params=params).json()["tasks"]

    def label(self, task, choice):
        """Answer a task as a person would who clicks on a choice."""
        result = {"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": [choice]}}
        self.call("POST", f"/api/tasks/{task['id']}/annotations/", json={"result": [result]})
