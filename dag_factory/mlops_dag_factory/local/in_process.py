"""Run a compiled workflow in this process with Airflow's own `dag.test` machinery, and show how it goes.

The environment variables of a `LocalHome` must be set before this module imports Airflow.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from os import close, dup, dup2
from typing import TYPE_CHECKING, Any, TextIO

import yaml
from rich.console import Console
from rich.markdown import Markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlops_dag_factory.local.home import LocalHome
    from mlops_dag_factory.spec import Workflow


def run_in_process(
    workflow: Workflow,
    home: LocalHome,
    parameters: dict[str, Any],
    *,
    approved: bool | None,
    reason: str = "",
) -> bool:
    """Run a workflow that lies in a home; say whether its run succeeded.

    `approved` answers approvals, with the `reason`, and takes the defaults of what is asked; None asks on the terminal.
    Everything that Airflow and the phases print goes to the home's run.log; the terminal shows one line per phase.
    """
    log = home.root / "run.log"
    terminal = dup(sys.stdout.fileno())
    with open(terminal, "w", encoding="utf-8", closefd=True) as stream:  # noqa: PTH123 (a file descriptor)
        console = Console(file=stream, force_terminal=sys.stdout.isatty())
        console.print(f"[dim]log: {log}[/]", soft_wrap=True)  # a path that can be copied
        with _output_to(log):
            return _run(workflow, home, parameters, approved=approved, reason=reason, console=console, terminal=stream)


def _run(
    workflow: Workflow,
    home: LocalHome,
    parameters: dict[str, Any],
    *,
    approved: bool | None,
    reason: str,
    console: Console,
    terminal: TextIO,
) -> bool:
    from airflow.sdk import DagRunState
    from airflow.sdk.listener import get_listener_manager

    from mlops_dag_factory.compiler import compile_workflow
    from mlops_dag_factory.local.progress import MARKS, Progress
    from mlops_provider.operators.approve import ApproveReleaseOperator
    from mlops_provider.operators.ask import AskParametersOperator
    from mlops_provider.operators.override import OverrideCheckpointOperator

    home.migrate()
    dag = compile_workflow(workflow)
    dag.fileloc = str(home.dags / "load_workflows.py")
    for task in dag.tasks:
        if isinstance(task, ApproveReleaseOperator):
            task.decide = _answer(approved, reason, console, terminal)
        elif isinstance(task, AskParametersOperator):
            task.answer = _fill(approved, console, terminal)
        elif isinstance(task, OverrideCheckpointOperator):
            task.decide = _override(approved, console, terminal)
    progress = Progress(console)
    get_listener_manager().add_listener(progress)
    run = dag.test(logical_date=None, run_conf=parameters)
    states = {instance.task_id: str(instance.state) for instance in run.get_task_instances()}
    for name in (task.task_id for task in dag.topological_sort()):
        if name not in progress.shown and name in states:
            progress.show(name, states[name])
    succeeded = bool(run.state == DagRunState.SUCCESS)
    console.print(f"{MARKS['success' if succeeded else 'failed']} {dag.dag_id} {run.run_id} [bold]{run.state}[/]")
    return succeeded


def _answer(approved: bool | None, reason: str, console: Console, terminal: TextIO) -> Any:  # noqa: FBT001 (a three-valued answer)
    def decide(subject: str, body: str) -> tuple[str, str]:
        console.print(f"\n[bold]{subject}[/]")
        console.print(Markdown(body))
        if approved is not None:
            said = reason or f"{'approved' if approved else 'rejected'} on the command line"
            return ("Approve" if approved else "Reject"), said
        terminal.write("approve? [y/N] ")
        terminal.flush()
        choice = "Approve" if sys.stdin.readline().strip().lower() in {"y", "yes"} else "Reject"
        terminal.write("reason: ")
        terminal.flush()
        return choice, sys.stdin.readline().strip() or "none was given at the terminal"

    return decide


def _override(approved: bool | None, console: Console, terminal: TextIO) -> Any:  # noqa: FBT001 (a three-valued answer)
    def decide(subject: str, body: str) -> tuple[str, str]:
        console.print(f"\n[bold]{subject}[/]")
        console.print(Markdown(body))
        if approved is not None:
            return ("Override", "approved on the command line") if approved else ("Stop", "")
        terminal.write("reason to go on, or nothing to stop: ")
        terminal.flush()
        reason = sys.stdin.readline().strip()
        return ("Override" if reason else "Stop"), reason

    return decide


def _fill(approved: bool | None, console: Console, terminal: TextIO) -> Any:  # noqa: FBT001 (a three-valued answer)
    def answer(subject: str, schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        console.print(f"\n[bold]{subject}[/]")
        values: dict[str, Any] = {}
        for name, schema in schemas.items():
            text = ""
            if approved is None:
                terminal.write(f"{name} [{schema.get('default', '')}]: ")
                terminal.flush()
                text = sys.stdin.readline().strip()
            if text or "default" not in schema:
                values[name] = text if schema.get("type") == "string" else yaml.safe_load(text)
            else:
                values[name] = schema["default"]
        return values

    return answer


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send what this process prints, on whichever level, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(stream.fileno(), dup(stream.fileno())) for stream in (sys.stdout, sys.stderr)]
    with log.open("ab") as file:
        for number, _ in saved:
            dup2(file.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in saved:
                dup2(copy, number)
                close(copy)
