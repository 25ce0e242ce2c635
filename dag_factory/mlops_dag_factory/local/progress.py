"""One line on the terminal when a task ends. Imports Airflow: its environment must be set before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from rich.console import Console

MARKS = {"success": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[dim]-[/]", "upstream_failed": "[dim]-[/]"}


class Progress:
    """A listener of task instances; `shown` are the tasks that have had their line."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.shown: set[str] = set()
        self._started: dict[str, float] = {}

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Note when a task starts."""
        self._started[task_instance.task_id] = time.monotonic()

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Show a success."""
        self.show(task_instance.task_id, "success")

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        """Show a skip."""
        self.show(task_instance.task_id, "skipped")

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: Any) -> None:
        """Show a failure and why."""
        self.show(task_instance.task_id, "failed", str(error or ""))

    def show(self, name: str, state: str, note: str = "") -> None:
        """Print the line of a task."""
        self.shown.add(name)
        started = self._started.get(name)
        seconds = f"{time.monotonic() - started:6.1f} s" if started else " " * 8
        self.console.print(f"{MARKS.get(state, '?')} {name:<20} {seconds}  {note or state}", highlight=False)
