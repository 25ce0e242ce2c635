"""`mlops todo`: what is listed, and how it is ticked off."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.todo import todo as command
from mlops_provider.store.store import Store
from mlops_provider.store.todos import Todo, open_todo, todo_id


@pytest.fixture
def mlops(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(command, [*arguments, "--store", str(tmp_path)])

    return run


@pytest.fixture
def todo(tmp_path):
    about = {"workflow": "rain", "environment": "production", "why": "wind moved", "role": "operators"}
    more = {"source": "rain/r/decide", "report": "r", "opened_at": "2026-01-01T00:00:00.000+00:00"}
    return open_todo(Store(tmp_path), Todo(id=todo_id("a"), text="Clean the lens", users=("olga",), **about, **more))


def test_a_to_do_is_listed_until_it_is_done(mlops, todo):
    listed = mlops("list")
    ticked = mlops("done", "rain", todo.id[:3], "--note", "wiped it", "--by", "olga")

    assert f"{todo.id}  rain/production, since 2026-01-01 00:00 UTC for operators: Clean the lens" in listed.output
    assert "why: wind moved" in listed.output
    assert ticked.output == f"{todo.id} is done: wiped it\n"
    assert mlops("list", "rain").output == "nothing is to be done\n"
    [done] = json.loads(mlops("list", "rain", "--all", "--json").output)
    assert (done["done_by"], done["note"]) == ("olga", "wiped it")


def test_others_and_wrong_ids_are_refused_with_a_hint(mlops, todo):
    other = mlops("done", "rain", todo.id, "--note", "x", "--by", "mallory")
    wrong = mlops("done", "rain", "zzz", "--note", "x", "--by", "olga")

    assert (other.exit_code, wrong.exit_code) == (1, 1)
    assert "mallory may not tick off" in other.stderr
    assert f"no to-do begins with 'zzz'\n  hint: open: {todo.id}" in wrong.stderr
