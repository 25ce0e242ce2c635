"""What the demo tells: each step acts, then reads back what happened from Airflow, the registry, the server."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from camera import Camera
from rich.table import Table

from mlops_provider.store.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from mlops_dag_factory.local.airflow import LocalAirflow
    from mlops_dag_factory.local.server import LocalServer

DAG = "camera"
MONITOR = "camera.monitor"
LIMIT = 0.4
"""The monitor's condition in camera.yaml: precision >= 0.4."""
SAFELY_BELOW = 0.3
LOOK = 400  # of fewer pictures the precision, averaged over ten digits, says little
"""Where the camera stops ageing, measured on 100 pictures: what 800 pictures show then is below the limit."""


@dataclass
class Happened:
    """One line of the table at the end."""

    at: float
    what: str
    seen: str
    source: str
    true: bool


@dataclass
class Story:
    """The closed loop, step by step."""

    airflow: LocalAirflow
    server: LocalServer
    console: Console
    started: float = field(default_factory=time.monotonic)
    lines: list[Happened] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Point the camera at the service."""
        self.camera = Camera(f"{self.server.url}/{DAG}/production")
        self.labels = self.airflow.home.data / "labels" / DAG

    def tell(self) -> bool:
        """Go through the whole loop; say whether all of it happened."""
        self.release("1", neurons=12, title="The workflow runs: from data to a served model")
        self.release("2", neurons=64, title="A larger model is better: it is released, the first one is kept")
        self.quiet_days()
        breach = self.camera_ages()
        self.retraining(breach)
        self.recovery()
        return all(line.true for line in self.lines)

    def release(self, version: str, *, neurons: int, title: str) -> None:
        """Run the workflow and answer its approval."""
        self.title(title)
        run_id = self.airflow.trigger(DAG, {"neurons": neurons})
        self.approve(run_id)
        run = self.wait(DAG, run_id)
        self.note(f"run {version}", f"{run['state']}, {run['duration']:.0f} s", "Airflow", run["state"] == "success")
        self.registry(version)
        self.served(version)

    def quiet_days(self) -> None:
        """Send good pictures; the monitor stays quiet."""
        self.title("Pictures come in, the monitor is content")
        shots = self.camera.shoot(600)
        shots.deliver_labels(self.labels)
        self.note("precision, new camera", f"{shots.precision():.2f}", "server", shots.precision() >= LIMIT)
        run_id = self.monitor()
        tasks = self.airflow.tasks(MONITOR, run_id)
        quiet = tasks["decide"]["state"] == "success" and tasks["retrain"]["state"] == "skipped"
        self.note("monitor", self.decision(run_id)["why"], "Airflow", quiet)

    def camera_ages(self) -> str:
        """Wear the camera out until its precision falls below the limit; the monitor notices."""
        self.title("The camera ages: pictures turn, blur and get noisy")
        precision = 1.0
        while precision >= SAFELY_BELOW and self.camera.wear < 1:
            self.camera.wear += 0.05
            precision = self.camera.shoot(LOOK).precision()
            self.console.print(f"  wear {self.camera.wear:.2f}: precision {precision:.2f}")
        shots = self.camera.shoot(800)
        shots.deliver_labels(self.labels)
        precision = shots.precision()
        self.note("precision, worn camera", f"{precision:.2f}", "server", precision < LIMIT)
        run_id = self.monitor()
        tasks = self.airflow.tasks(MONITOR, run_id)
        decision = self.decision(run_id)
        self.note("breach", decision["why"], "Airflow", bool(decision["breach"]))
        self.note("owner told", tasks["notify"]["state"], "Airflow", tasks["notify"]["state"] == "success")
        self.note("fallback", tasks["fallback"]["state"], "Airflow", tasks["fallback"]["state"] == "success")
        self.served("1")
        return run_id

    def retraining(self, monitor_run: str) -> None:
        """Find the run that the breach started, with its reason; answer its approval."""
        self.title("The system retrains on old and new pictures")
        run_id = self.retraining_run(monitor_run)
        run = self.airflow.run(DAG, run_id)
        events = self.airflow.triggering_events(DAG, run_id)
        reason = events[0]["extra"].get("why", "")
        self.note("retraining run", reason, "Airflow", run["run_type"] == "asset_triggered" and bool(reason))
        self.approve(run_id)
        run = self.wait(DAG, run_id)
        self.note("run 3", f"{run['state']}, {run['duration']:.0f} s", "Airflow", run["state"] == "success")
        started = [run for run in self.airflow.runs(DAG) if run["run_type"] == "asset_triggered"]
        self.note("retraining runs", str(len(started)), "Airflow", len(started) == 1)
        self.registry("3")
        self.served("3")

    def recovery(self) -> None:
        """The same worn camera, the new model."""
        self.title("The worn camera again, with the new model")
        shots = self.camera.shoot(600)
        shots.deliver_labels(self.labels)
        self.note("precision, new model", f"{shots.precision():.2f}", "server", shots.precision() >= 2 * LIMIT)
        decision = self.decision(self.monitor())
        self.note("monitor", decision["why"], "Airflow", not decision["breach"])

    def approve(self, run_id: str) -> None:
        """Read the evidence and approve, as the reviewer would, through the REST API."""
        self.watch(run_id)
        question = self.airflow.wait_for_question(DAG, run_id, "approval")
        self.console.print(
            f"  approval: [bold]{question['subject']}[/] with {len(question['body'])} characters of evidence"
        )
        self.airflow.answer(DAG, run_id, "approval", "Approve")
        answered = self.airflow.call("GET", f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/approval/-1/hitlDetails")
        user = (answered["responded_by_user"] or {}).get("name", "")
        self.note("approval", f"{', '.join(answered['chosen_options'])} by {user}", "Airflow", user == "reviewer")

    def watch(self, run_id: str) -> None:
        """Show tasks as they end until one waits for people."""
        seen: set[str] = set()
        while True:
            tasks = self.airflow.tasks(DAG, run_id)
            self.show(tasks, seen)
            states = {task["state"] for task in tasks.values()}
            if "awaiting_input" in states or self.airflow.run(DAG, run_id)["state"] in {"success", "failed"}:
                return
            time.sleep(0.3)

    def show(self, tasks: dict[str, dict[str, Any]], seen: set[str]) -> None:
        """Print one line for each task that has ended since the last look."""
        for name, task in sorted(tasks.items(), key=lambda item: item[1]["end_date"] or ""):
            if name not in seen and task["state"] in {"success", "failed", "skipped"}:
                seen.add(name)
                color = {"success": "green", "failed": "red"}.get(task["state"], "dim")
                self.console.print(f"  [{color}]{task['state']:<8}[/] {name:<14} {task['duration'] or 0:5.1f} s")

    def monitor(self) -> str:
        """Run the monitor once; give the run's id."""
        self.flush()
        run_id = self.airflow.trigger(MONITOR)
        self.wait(MONITOR, run_id)
        return run_id

    def flush(self) -> None:
        """Give the server's prediction log the second that it takes to be written."""
        time.sleep(2.5)

    def wait(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Wait for a run, showing its tasks."""
        seen: set[str] = {name for name, task in self.airflow.tasks(dag_id, run_id).items() if task["end_date"]}
        return self.airflow.wait_for_run(dag_id, run_id, watch=lambda tasks: self.show(tasks, seen))

    def decision(self, run_id: str) -> dict[str, Any]:
        """Read the record of the monitor's decision."""
        from mlops_provider.runtime.records import read_record

        uri = self.airflow.returned(MONITOR, run_id, "decide")["record"]
        return dict(read_record(Store(self.airflow.home.store), uri)["details"])

    def retraining_run(self, monitor_run: str) -> str:
        """Wait for the run that the monitor's asset event started; give its id."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for run in self.airflow.runs(DAG):
                if run["run_type"] == "asset_triggered":
                    return str(run["dag_run_id"])
            time.sleep(0.5)
        raise TimeoutError(f"{monitor_run} breached, but no retraining run appeared")

    def registry(self, version: str) -> None:
        """Read the champion back from the registry."""
        from mlflow import MlflowClient

        uri = self.airflow.environment()["AIRFLOW__MLOPS__TRACKING_URI"]
        champion = str(MlflowClient(uri, uri).get_model_version_by_alias(DAG, "champion").version)
        self.note("champion", f"version {champion}", "registry", champion == version)

    def served(self, version: str) -> None:
        """Ask the server which version answers."""
        state = httpx.get(f"{self.server.url}/{DAG}/production/v2/models/{DAG}", timeout=10).raise_for_status().json()
        self.note("served", f"versions {', '.join(state['versions'])}", "server", version in state["versions"])

    def title(self, text: str) -> None:
        """Print the title of a step."""
        self.console.print(f"\n[bold]{text}[/]  [dim]{time.monotonic() - self.started:.0f} s[/]")

    def note(self, what: str, seen: str, source: str, true: bool) -> None:  # noqa: FBT001 (one word of a sentence)
        """Keep a line for the table; print it."""
        self.lines.append(Happened(time.monotonic() - self.started, what, seen, source, true))
        self.console.print(
            f"  [{'green' if true else 'red'}]{'yes' if true else 'NO '}[/] {what}: {seen}", highlight=False
        )

    def table(self) -> Table:
        """Give the table of what happened."""
        table = Table("second", "what", "seen", "read from", "", title="What happened", header_style="bold")
        for line in self.lines:
            mark = "[green]yes[/]" if line.true else "[red]NO[/]"
            table.add_row(f"{line.at:.0f}", line.what, line.seen, line.source, mark)
        return table
