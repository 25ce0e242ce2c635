"""Phase `monitor.todo`: a person is asked to look, and ticks it off with a note; nothing waits for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now
from mlops_provider.runtime.monitor.deciding.decided import decided
from mlops_provider.store.todos import Todo, list_todos, open_todo, todo_id

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (the decision says it all)
    """Open one to-do per decision; while one of the same text is open, a storm opens no second."""
    store, decision, wanted = context.store(), decided(config, context), config.todo
    text = wanted.text or f"Look at the breach of {context.workflow}/{config.environment}"
    own = todo_id(context.identity)
    for todo in list_todos(store, context.workflow):
        same = (todo.text, todo.environment, todo.role) == (text, config.environment, wanted.role)
        if todo.open and same and todo.id != own:
            said = f"To-do {todo.id} of {todo.opened_at[:16].replace('T', ' ')} UTC is open still: {text}."
            return Outcome(summary=said, details={"todo": todo.id, "opened": False})
    todo = open_todo(
        store,
        Todo(
            id=own,
            workflow=context.workflow,
            environment=config.environment,
            text=text,
            why=decision["why"],
            role=wanted.role,
            users=tuple(wanted.users),
            source=decision["id"],
            report=decision["report"],
            opened_at=now(),
        ),
    )
    whose = f" for {todo.role} ({', '.join(todo.users)})" if todo.role else ""
    said = (
        f"To-do {todo.id} is open{whose}: {todo.text}. Tick it off: mlops todo done {todo.workflow} {todo.id} --note …"
    )
    return Outcome(summary=said, details={"todo": todo.id, "opened": True})
