"""An action that is killed at any moment is done once by the retry: a real process dies before each file it writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from itertools import count

import pytest
from tests.provider.runtime.test_rollback import released

from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.runtime.monitor import fallback
from mlops_provider.runtime.phase import run_phase
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.documents import write_document
from mlops_provider.store.services import now, service_history
from mlops_provider.store.standing import read_standing
from mlops_provider.store.todos import list_todos

KILLED = """
import json, os, signal, sys
from datetime import timedelta
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.runtime.contract import RunContext
from mlops_provider.runtime.monitor import fallback
from mlops_provider.runtime.phase import run_phase
fallback.WAIT = timedelta(0)
left, link = int(sys.argv[1]), os.link
def die(*names):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    link(*names)
os.link = die  # what makes a file of the store appear
run_phase(MonitorSpec(**json.loads(sys.argv[2])), {}, RunContext.from_dict(json.loads(sys.argv[3])))
"""
MOMENTS = {"fallback": 4, "todo": 2, "stop": 3}
"""Files that an action writes, its record among them."""


class Alarm:
    """A service whose second version breached; what is to be done about it is one action."""

    def __init__(self, bench):
        released(bench)
        bench.tracking_uri = ""  # the aliases follow later
        self.bench, self.store, self.action = bench, bench.store, ""
        decision = {"id": "flow/monitor__1/decide", "version": "2", "why": "wind moved", "report": "r", "at": now()}
        write_document(self.store, "flow/monitor/production/decisions", decision, after=0)
        self.kept = bench.root / "kept"
        shutil.copytree(bench.root / "store", self.kept)

    def again(self):
        """Put back what was there before the action."""
        shutil.rmtree(self.bench.root / "store")
        shutil.copytree(self.kept, self.bench.root / "store")

    def context(self, attempt):
        return self.bench.context(self.action, f"monitor.{self.action}", run_id="monitor__1", attempt=attempt)

    def kill(self, files):
        """Act in a process that dies before the file after so many; say whether it died."""
        config = {"checks": {"data_drift": {}}, "on_breach": [self.action]}
        arguments = [json.dumps(value) for value in (config, self.context(1).to_dict())]
        command = [sys.executable, "-c", KILLED, str(files), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode in {0, -9}, done.stderr
        return done.returncode == -9

    def retry(self):
        spec = MonitorSpec(checks={"data_drift": {}}, on_breach=[self.action])
        return run_phase(spec, {}, self.context(2)).outcome

    def actions(self):
        """Give what was done to the service after both releases."""
        return [state.change.action for state in service_history(self.store, "flow", "production")][2:]

    def entries(self):
        """Give kind and payload of what the audit chain has of the service."""
        return [(entry.kind, entry.payload) for entry in Chain(self.store, "flow").entries("service/production")]


def once(alarm):
    """Assert that the action happened once, whole."""
    if alarm.action == "todo":
        [todo] = list_todos(alarm.store, "flow")
        assert (todo.open, todo.why, alarm.actions()) == (True, "wind moved", [])
    elif alarm.action == "fallback":
        assert alarm.actions() == ["rollback"]
        [(kind, entry)] = alarm.entries()
        assert (kind, entry["version"], entry["from"]) == ("rolled_back", "1", "2")
        assert read_standing(alarm.store, "flow").champion.version == "1"
    else:
        assert alarm.actions() == ["stop"]
        [(kind, entry)] = alarm.entries()
        assert (kind, entry["version"]) == ("stopped", "2")
    assert check_chain(Chain(alarm.store, "flow")) == []


@pytest.fixture(scope="module")
def alarm(shared_bench):
    return Alarm(shared_bench)


@pytest.mark.kill
@pytest.mark.parametrize("action", MOMENTS)
def test_an_action_that_was_killed_before_any_of_its_files_is_done_once_by_the_retry(alarm, monkeypatch, action):
    monkeypatch.setattr(fallback, "WAIT", timedelta(0))  # there is no server that would follow
    alarm.action = action
    alarm.again()

    for moment in count():
        if not alarm.kill(moment):
            break
        alarm.retry()
        once(alarm)
        alarm.again()

    once(alarm)
    assert moment >= MOMENTS[action]
