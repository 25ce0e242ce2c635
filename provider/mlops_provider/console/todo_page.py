"""The page of to-dos: the open ones with a form for the note, then those that are done."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.evaluation.tables import table
from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.store.todos import Todo

MOST_DONE = 50
_STYLE = (
    "<style>form{display:flex;flex-wrap:wrap;gap:.5rem;margin:.5rem 0}input{flex:1 1 16rem;font:inherit;padding:.3rem}"
    "button{font:inherit;padding:.3rem 1rem}article{border-left:.3rem solid var(--c1);padding:.1rem 1rem;margin:1rem 0}"
    "</style>"
)


def todo_page(todos: Sequence[Todo], root: str, user: str, *, message: str = "") -> str:
    """Write the page; `root` is where the console is, `user` who looks, `message` what was refused."""
    waiting = [todo for todo in todos if todo.open]
    done = [todo for todo in todos if not todo.open][:MOST_DONE]
    parts = [_STYLE, f"<p class=warn>{escape(message)}</p>" if message else ""]
    parts += [_open(todo, root, user) for todo in waiting] or ["<p>Nothing is to be done.</p>"]
    if done:
        rows = [
            [escape(cell) for cell in (todo.workflow, todo.text, todo.done_by, _time(todo.done_at), todo.note)]
            for todo in done
        ]
        parts.append(f"<h2>Done</h2>{table(['workflow', 'what', 'by', 'at (UTC)', 'note'], rows)}")
    return page("To-dos", *parts)


def _open(todo: Todo, root: str, user: str) -> str:
    report = f"{root}/dags/{todo.workflow}.monitor/reports/{todo.report.rsplit('/', 1)[-1]}/report.html"
    whose = f"{todo.role or 'for'}: {', '.join(todo.users)}" if todo.users else todo.role or "for everybody"
    about = f"{todo.workflow}/{todo.environment} · since {_time(todo.opened_at)} UTC · {whose} · {todo.id}"
    form = (
        f"<form method=post action='{escape(f'{root}/dags/{todo.workflow}/todos/{todo.id}')}'>"
        f"<input name=note required placeholder='What was found or done' aria-label=Note>"
        f"<button>Tick off as {escape(user)}</button></form>"
    )
    if todo.users and user not in todo.users:
        form = f"<p class=dim>You are {escape(user)}: it is for others.</p>"
    return (
        f"<article><h2>{escape(todo.text)}</h2><p class=dim>{escape(about)}</p><p>{escape(todo.why)}</p>"
        f"<p><a href='{escape(report)}'>The report</a></p>{form}</article>"
    )


def _time(moment: str) -> str:
    return moment[:16].replace("T", " ")
