"""A real Airflow on this machine (`airflow standalone`) and a client of its REST API."""

from __future__ import annotations

import json
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import httpx

from mlops_dag_factory.local.home import LocalHome, free_port, inherited_environment
from mlops_dag_factory.local.process import ProcessGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FINAL = {"success", "failed"}
_POLL_SECONDS = 0.3
_TRIES = 5
_SETTLE_SECONDS = 2.0
"""An answer that comes before the scheduler has seen the asking process end looks like a crash to Airflow 3.3."""
_COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


class LocalAirflowError(Exception):
    """Airflow did not start, answer or finish as expected."""


class LocalAirflow:
    """Airflow with its scheduler, dag-processor, triggerer and api-server, on free ports, stopped as a group.

    Users: `admin` (all rights) and `reviewer` (may run and answer).
    """

    def __init__(self, home: LocalHome, *, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = dict(settings or {})
        self.group: ProcessGroup | None = None
        self._clients: dict[str, httpx.Client] = {}

    def environment(self) -> dict[str, str]:
        """Give the environment of Airflow's processes."""
        tuned = {
            "API__PORT": self.port,
            "API__BASE_URL": self.url,
            "API__WORKERS": 1,
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,reviewer:op",
            "API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
            "LOGGING__WORKER_LOG_SERVER_PORT": free_port(),
            "LOGGING__TRIGGER_LOG_SERVER_PORT": free_port(),
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.1,
            "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
            "DAG_PROCESSOR__REFRESH_INTERVAL": 5,
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 5,
            "DAG_PROCESSOR__PARSING_PROCESSES": 1,
        }
        variables = {f"AIRFLOW__{key}": str(value) for key, value in tuned.items()}
        return {**inherited_environment(), **self.home.environment(), **variables, **self.settings}

    def start(self, timeout: float = 120.0) -> Self:
        """Start and wait until every component is healthy."""
        self.home.create()
        command = [sys.executable, "-m", "airflow", "standalone"]
        self.group = ProcessGroup(command, environment=self.environment(), log=self.home.root / "airflow.log")
        try:
            self._wait(self._healthy, timeout, "Airflow did not become healthy")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything that was started."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self.group:
            self.group.stop()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def password(self, user: str) -> str:
        """Give the password that Airflow generated for a user."""
        file = self.home.root / "simple_auth_manager_passwords.json.generated"
        return str(json.loads(file.read_text())[user])

    def token(self, user: str) -> str:
        """Log in as a user; give the token that the API and the pages take."""
        login = {"username": user, "password": self.password(user)}
        answer = httpx.post(f"{self.url}/auth/token", json=login, timeout=30).raise_for_status().json()
        return str(answer["access_token"])

    def call(self, method: str, path: str, body: Any = None, *, user: str = "admin") -> Any:
        """Call the REST API below /api/v2 and give the JSON of the answer."""
        if user not in self._clients:
            headers = {"Authorization": f"Bearer {self.token(user)}"}
            self._clients[user] = httpx.Client(base_url=f"{self.url}/api/v2", headers=headers, timeout=30)
        for _ in range(_TRIES):
            response = self._clients[user].request(method, path, json=body)
            if "Database error" not in response.text:  # SQLite was locked and the request rolled back: ask again
                break
            time.sleep(1)
        if response.is_error:
            raise LocalAirflowError(f"{method} {path} answered {response.status_code}: {response.text[:500]}")
        return response.json() if response.content else None

    def wait_for_dag(self, dag_id: str, timeout: float = 180.0) -> None:
        """Wait until a DAG is known and switched on."""

        def known() -> bool:
            found = self.call("GET", f"/dags?dag_id_pattern={dag_id}&limit=100")["dags"]
            return any(dag["dag_id"] == dag_id and not dag["is_stale"] for dag in found)

        self._wait(known, timeout, f"DAG {dag_id} did not appear")

    def trigger(self, dag_id: str, parameters: Mapping[str, Any] | None = None) -> str:
        """Start a run; give its id."""
        body = {"logical_date": None, "conf": dict(parameters or {})}
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Give a run."""
        return dict(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Give all runs of a DAG, oldest first."""
        return list(self.call("GET", f"/dags/{dag_id}/dagRuns?limit=100&order_by=run_after")["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Give the task instances of a run by task id."""
        found = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=200")["task_instances"]
        return {instance["task_id"]: instance for instance in found}

    def returned(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Give what a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true"
        return self.call("GET", path)["value"]

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        timeout: float = 300.0,
        *,
        watch: Callable[[dict[str, dict[str, Any]]], None] | None = None,
    ) -> dict[str, Any]:
        """Wait until a run has ended; `watch` sees its task instances at every look."""

        def ended() -> bool:
            if watch:
                watch(self.tasks(dag_id, run_id))
            return self.run(dag_id, run_id)["state"] in _FINAL

        self._wait(ended, timeout, f"run {run_id} of {dag_id} did not end")
        return self.run(dag_id, run_id)

    def triggering_events(self, dag_id: str, run_id: str, timeout: float = 60.0) -> list[dict[str, Any]]:
        """Give the asset events that a run was started by, once it has started (before, Airflow 3.3 answers 500)."""
        self._wait(lambda: bool(self.run(dag_id, run_id)["start_date"]), timeout, f"run {run_id} did not start")
        path = f"/dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents"
        return list(self.call("GET", path)["asset_events"])

    def wait_for_question(self, dag_id: str, run_id: str, task_id: str, timeout: float = 300.0) -> dict[str, Any]:
        """Wait until a task waits for people; give what it asks."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"

        def waiting() -> bool:
            if self.run(dag_id, run_id)["state"] in _FINAL:
                raise LocalAirflowError(f"run {run_id} ended before {task_id} asked")
            return self.tasks(dag_id, run_id)[task_id]["state"] in {"awaiting_input", "deferred"}

        self._wait(waiting, timeout, f"{task_id} of {dag_id} did not ask")
        time.sleep(_SETTLE_SECONDS)
        return dict(self.call("GET", path))

    def answer(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        choice: str,
        values: Mapping[str, Any] | None = None,
        *,
        user: str = "reviewer",
    ) -> None:
        """Answer a task that waits for people, with the values of its form where it has one."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self.call("PATCH", path, {"chosen_options": [choice], "params_input": dict(values or {})}, user=user)

    def _healthy(self) -> bool:
        try:
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return False
        return all(health.get(part, {}).get("status") == "healthy" for part in _COMPONENTS)

    def _wait(self, condition: Callable[[], bool], timeout: float, failure: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if self.group and not self.group.alive():
                raise LocalAirflowError(f"Airflow ended: see {self.group.log}\n{self.group.tail()}")
            if time.monotonic() > deadline:
                raise LocalAirflowError(f"{failure} within {timeout:.0f} s; see {self.home.root / 'airflow.log'}")
            time.sleep(_POLL_SECONDS)
