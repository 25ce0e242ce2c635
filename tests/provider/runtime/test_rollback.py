"""Rollback: in seconds, in one command or as a phase, also without a server; refused clearly where it cannot be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.spec import RollbackSpec
from mlops_provider.exceptions import RollbackRefusedError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.rollback import run as run_rollback
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.model_file import MODEL_FILE
from mlops_provider.store.services import (
    Change,
    ServedVersion,
    now,
    read_service,
    service_history,
    set_alternate,
    set_version,
)
from mlops_provider.store.standing import read_standing


def released(bench, count=2):
    """Release so many versions without a server; give their references."""
    made = []
    for number in range(1, count + 1):
        model, _, _ = bench.model(parameters={"max_iter": 2000, "C": 0.1 * number})
        version = bench.version(model, run_id=f"run-{number}")
        promotion = Promotion.of(bench.context("live", "release", run_id=f"run-{number}"), version)
        promotion.reserve(timedelta(seconds=1))
        named = ModelRef(uri=version.uri, digest=version.digest, name="flow", version=version.version)
        change = Change(id=f"run-{number}", action="release", by="ana", at=now())
        served = ServedVersion(version=version.version, model=named)
        set_version(bench.store, "flow", "production", served, change)
        promotion.complete({})
        made.append(version)
    return made


def roll_back(bench, run_id="undo", **fields):
    spec = RollbackSpec(reason="wrong in the rain", wait="0s", **fields)
    return bench.run(spec, run_id=run_id)


def command(bench, *arguments):
    named = ["--store", bench.store.url, "--registry", bench.tracking_uri, "--by", "ana", "--wait", "0"]
    return CliRunner().invoke(mlops, ["rollback", "flow", "--reason", "wrong in the rain", *named, *arguments])


def live(bench):
    return read_service(bench.store, "flow", "production").primary.version


def champion(bench):
    return read_standing(bench.store, "flow").champion.version


def test_one_command_goes_back_without_a_server_and_the_champion_goes_with_it(bench):
    released(bench)

    answer = command(bench)

    assert answer.exit_code == 0, answer.output
    assert "Version 1 has all traffic of flow/production (before: version 2) and is the champion" in answer.output
    assert "no model server follows flow/production" in answer.output
    assert (live(bench), champion(bench)) == ("1", "1")
    assert tracking.registered_champion(bench.tracking_uri, "flow").version == "1"
    change = read_service(bench.store, "flow", "production").change
    assert (change.action, change.by, change.reason) == ("rollback", "ana", "wrong in the rain")
    entries = {entry.subject: entry for entry in Chain(bench.store, "flow").entries() if entry.kind == "rolled_back"}
    assert entries.keys() == {"service/production", "model/flow"}
    assert {entry.reason for entry in entries.values()} == {"wrong in the rain"}
    assert check_chain(Chain(bench.store, "flow"), []) == []


def test_a_second_rollback_goes_further_back_and_never_to_what_was_rolled_back(bench):
    released(bench, 3)

    first, second, third = command(bench), command(bench), command(bench)

    assert (first.exit_code, second.exit_code, third.exit_code) == (0, 0, 1)
    assert "Version 2 has all traffic" in first.output
    assert "Version 1 has all traffic" in second.output
    assert "flow/production has no version before 1 to roll back to" in third.output
    assert "versions that it has had: 1, 2, 3; name one" in third.output
    again = command(bench, "--to", "3", "--json")
    assert json.loads(again.stdout)["version"] == "3"
    assert champion(bench) == "3"


def test_the_phase_does_it_once_whatever_is_retried(bench):
    released(bench)

    outcome = roll_back(bench)
    again = run_rollback(RollbackSpec(reason="r", wait="0s"), {}, bench.context("rollback", "rollback", run_id="undo"))

    assert outcome.outputs["service"].version == again.outputs["service"].version == "1"
    assert (outcome.details["left"], again.details["left"]) == ("2", "2")
    assert [state.change.action for state in service_history(bench.store, "flow", "production")][2:] == ["rollback"]
    assert sum(entry.kind == "rolled_back" for entry in Chain(bench.store, "flow").entries()) == 2


def test_what_cannot_be_is_refused_and_changes_nothing(bench):
    released(bench)
    cases = [
        ({"to": "7"}, "flow/production has never had version 7"),
        ({"to": "2"}, "version 2 has all the traffic already"),
        ({"to": "alternate"}, "no alternate stands by for flow/production"),
        ({"environment": "staging"}, "has no version that is live"),
    ]

    for number, (fields, said) in enumerate(cases):
        with pytest.raises(RollbackRefusedError, match=said) as refusal:
            roll_back(bench, f"undo-{number}", **fields)
        assert not refusal.value.retryable

    assert (live(bench), champion(bench)) == ("2", "2")


def test_a_version_whose_model_is_gone_or_changed_does_not_come_back(bench):
    first, _ = released(bench)
    file = Path(first.uri) / MODEL_FILE
    content = file.read_bytes()
    harms = [
        (lambda: file.write_bytes(content[:-1] + bytes([content[-1] ^ 1])), "has digest"),
        (lambda: file.write_bytes(content + b" "), "bytes, expected"),
        (lambda: shutil.rmtree(file.parent), "does not exist"),
    ]

    for harm, said in harms:
        harm()
        with pytest.raises(RollbackRefusedError, match=f"flow/production cannot go back to version 1: .*{said}") as no:
            roll_back(bench)
        assert "what is live stays" in no.value.hint

    assert live(bench) == "2"


def test_an_unknown_service_is_a_usage_error(bench):
    answer = command(bench)

    assert answer.exit_code == 2
    assert "there is no service 'flow/production'" in answer.output


KILLED = """
import os, signal, sys
from mlops_dag_factory.cli.main import mlops
from mlops_provider.runtime import rollback
from mlops_provider.store import promotions
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "before the chain": rollback.note_change = die
if sys.argv[1] == "before the champion": promotions.roll_back = die
if sys.argv[1] == "before the alias": rollback.mirror_aliases = die
mlops(sys.argv[2:])
"""


@pytest.mark.kill
@pytest.mark.parametrize("where", ["before the chain", "before the champion", "before the alias"])
def test_a_rollback_that_was_killed_is_completed_by_the_next_and_not_undone(bench, where):
    released(bench)
    named = ["--store", bench.store.url, "--registry", bench.tracking_uri, "--wait", "0"]
    arguments = ["rollback", "flow", "--reason", "r", *named]
    killed = subprocess.run([sys.executable, "-c", KILLED, where, *arguments], check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr
    assert live(bench) == "1"

    again = command(bench)

    assert (live(bench), champion(bench)) == ("1", "1")
    assert again.exit_code == (1 if where == "before the alias" else 0)  # nothing was left to do but the alias
    assert [state.primary.version for state in service_history(bench.store, "flow", "production")] == ["1", "2", "1"]


def test_what_stands_by_can_take_over(bench):
    first, *_ = released(bench, 3)
    change = Change(id="stand by", action="alternate", by="ana", at=now())
    set_alternate(bench.store, "flow", "production", first, change)

    outcome = roll_back(bench, to="alternate")

    assert (outcome.outputs["service"].version, outcome.details["left"]) == ("1", "3")
    assert (live(bench), champion(bench)) == ("1", "1")
