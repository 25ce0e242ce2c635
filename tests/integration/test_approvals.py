"""People decide on a real Airflow: by its own API, by ours, on the command line, by signed links; across a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from urllib.parse import quote

import httpx
import pytest
from tests.integration.conftest import LINK_KEY

from mlops_dag_factory.local.airflow import LocalAirflowError
from mlops_provider.decision_link import read_link
from mlops_provider.runtime.approval.ledger import Decision, decide
from mlops_provider.runtime.approval.request import latest_request
from mlops_provider.runtime.records import run_records
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

JUDGED = """
workflow: judged
roles: {reviewer: {users: [admin, rita, una], links: {rita: mail, una: mail}}}
notify: [{on: "approval:waiting", to: role:reviewer}]
defaults: {cache: true, retries: 1, retry_delay: 1s}
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows, stratify: target}
  model: {type: train, data: parts.train, target: target, estimator: sklearn.naive_bayes.GaussianNB}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy > 0.5"], evidently: false}
  version: {type: register, model: model, after: quality}
  approval: {type: approve, roles: reviewer, approvals: 2, after: version}
  live: {type: operator, operator: airflow.providers.standard.operators.empty.EmptyOperator, after: approval}
"""
BRIEF = """
workflow: brief
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  checked: {type: validate, data: rows, rules: ["row_count > 10"]}
  approval: {type: approve, approvers: [rita], timeout: 3s}
  live:
    type: operator
    operator: airflow.providers.standard.operators.empty.EmptyOperator
    after: approval
"""


class People:
    """Users of an Airflow, each with a client of their own, below the address of the console."""

    def __init__(self, airflow):
        self.airflow = airflow

    def client(self, user):
        headers = {"Authorization": f"Bearer {self.airflow.token(user)}"}
        return httpx.Client(base_url=f"{self.airflow.url}/mlops", headers=headers, timeout=60)

    def path(self, run_id):
        return f"/dags/judged/runs/{quote(run_id, safe='')}/approvals/approval"

    def asked(self, run_id, user="vera"):
        return self.client(user).get(self.path(run_id)).raise_for_status().json()

    def decide(self, user, run_id, choice="approve", reason="", evidence=None):
        shown = self.asked(run_id)["evidence"] if evidence is None else evidence
        body = {"choice": choice, "reason": reason, "evidence": shown}
        return self.client(user).post(self.path(run_id), json=body)


@pytest.fixture(scope="module")
def people(airflow):
    return People(airflow)


@pytest.fixture(scope="module")
def judged(airflow, home):
    for name, text in (("judged", JUDGED), ("brief", BRIEF)):
        (home.workflows / f"{name}.yaml").write_text(text)
    airflow.wait_for_dag("judged")
    airflow.wait_for_dag("brief")

    def start():
        run_id = airflow.trigger("judged")
        airflow.wait_for_question("judged", run_id, "approval")
        return run_id

    return start


def record_of(home, workflow, run_id, phase="approval"):
    return [r for r in run_records(Store(home.store), workflow, run_id) if r["phase"] == phase][-1]


@pytest.fixture(scope="module")
def approved(airflow, home, judged, people):
    """A run that admin started and that rita and una approved, with a restart between; what each attempt answered."""
    run_id = judged()
    answers = {
        "a viewer": people.decide("vera", run_id),
        "not of the role": people.decide("reviewer", run_id),
        "the author": people.decide("admin", run_id),
        "no reason": people.decide("una", run_id, "reject"),
        "other evidence": people.decide("una", run_id, evidence="0" * 64),
        "nobody": httpx.post(f"{airflow.url}/mlops{people.path(run_id)}", json={}, timeout=60),
        "una": people.decide("una", run_id, reason="good enough"),
        "una again": people.decide("una", run_id),
    }
    seen = people.asked(run_id)
    with pytest.raises(LocalAirflowError, match="is not a respondent"):
        airflow.answer("judged", run_id, "approval", "Approve", user="admin")
    os.killpg(airflow.group.process.pid, signal.SIGKILL)
    airflow.stop()
    airflow.start()
    answers["una after the restart"] = people.decide("una", run_id, "reject", "on second thoughts")
    airflow.answer("judged", run_id, "approval", "Reject", {"reason": "", "evidence": seen["evidence"]}, user="rita")
    airflow.wait_for_question("judged", run_id, "approval")
    airflow.answer("judged", run_id, "approval", "Approve", {"reason": "", "evidence": seen["evidence"]}, user="rita")
    run = airflow.wait_for_run("judged", run_id)
    return run_id, run, seen, answers


@pytest.mark.parametrize(
    ("who", "status", "said"),
    [
        ("a viewer", 403, "Forbidden"),
        ("not of the role", 403, "reviewer may not decide on this"),
        ("the author", 403, "admin is an author of this change"),
        ("no reason", 422, "a rejection needs a reason"),
        ("other evidence", 409, "evidence 000000000000 was shown, but what is asked is about version"),
        ("nobody", 401, "Not authenticated"),
        ("una", 200, "1 of 2 approved"),
        ("una again", 409, "una has approved this already"),
        ("una after the restart", 409, "una has approved this already"),
    ],
)
def test_each_answer_is_taken_or_refused_for_its_reason(approved, who, status, said):
    answer = approved[3][who]

    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_people_are_told_once_whatever_is_asked_again(approved, mailbox):
    told = [message for _, message in mailbox.messages if message.get("run") == approved[0]]

    assert [(message["event"], message["needed"]) for message in told] == [("waiting", 2)] * 2


def test_two_of_three_approve_across_a_restart_and_the_run_goes_on(airflow, approved):
    run_id, run, seen, _ = approved

    assert (seen["status"], seen["needed"], seen["authors"]) == ("waiting", 2, ["admin"])
    assert seen["approvers"] == ["rita", "una"]
    assert run["state"] == "success"
    assert airflow.tasks("judged", run_id)["live"]["state"] == "success"


def test_record_and_audit_chain_say_who_decided_what_why_and_on_which_evidence(home, approved):
    run_id, _, seen, _ = approved
    record, chain = record_of(home, "judged", run_id), Chain(Store(home.store), "judged")

    decisions = [(d["by"]["name"], d["choice"], d["reason"], d["via"]) for d in record["details"]["decisions"]]
    assert decisions == [("una", "approved", "good enough", "rest"), ("rita", "approved", "", "airflow")]
    assert record["details"]["evidence"] == seen["evidence"] == record["outputs"]["evidence"]["digest"]
    entries = [entry for entry in chain.entries("approval/approval") if entry.run == run_id]
    assert [(entry.kind, entry.by) for entry in entries] == [("approved", "una"), ("approved", "rita")]
    registered = record_of(home, "judged", run_id, "version")["outputs"]["version"]["digest"]
    assert {entry.payload["models"][0]["digest"] for entry in entries} == {registered}
    assert check_chain(chain) == []


def test_a_link_shows_decides_once_and_is_told_only_to_its_person(airflow, home, mailbox, judged, people):
    run_id = judged()
    told = [
        message for _, message in mailbox.messages if message.get("run") == run_id and message["event"] == "waiting"
    ]
    links = {read_link(message["link"].rsplit("/", 1)[1], (LINK_KEY,)).user: message["link"] for message in told}
    assert (len(told), set(links)) == (2, {"rita", "una"})
    assert told[0]["question"].startswith("Release judged version")

    opened = [httpx.get(links["rita"], timeout=60) for _ in range(2)]  # as a scanner of mail would
    assert [answer.status_code for answer in opened] == [200, 200]
    assert people.asked(run_id)["decisions"] == []
    tampered = httpx.post(f"{links['rita'][:-3]}abc", data={"choice": "approved"}, timeout=60)
    assert (tampered.status_code, "was changed" in tampered.text) == (403, True)
    silent = httpx.post(links["rita"], data={"choice": "rejected"}, timeout=60)
    assert (silent.status_code, "a rejection needs a reason" in silent.text) == (422, True)
    foreign = httpx.post(
        links["rita"], data={"choice": "approved"}, headers={"Sec-Fetch-Site": "cross-site"}, timeout=60
    )
    assert foreign.status_code == 403
    first = httpx.post(links["rita"], data={"choice": "rejected", "reason": "too few rows"}, timeout=60)
    second = httpx.post(links["rita"], data={"choice": "approved"}, timeout=60)
    late = httpx.post(links["una"], data={"choice": "approved"}, timeout=60)

    assert (first.status_code, "It was rejected by rita" in first.text) == (200, True)
    assert (second.status_code, "this link was used at" in second.text) == (409, True)
    assert (late.status_code, "nothing is to be decided any more" in late.text) == (409, True)
    assert airflow.wait_for_run("judged", run_id)["state"] == "success"
    assert airflow.tasks("judged", run_id)["live"]["state"] == "skipped"
    [decision] = record_of(home, "judged", run_id)["details"]["decisions"]
    assert (decision["by"]["name"], decision["reason"], decision["via"]) == ("rita", "too few rows", "link")


def test_no_answer_in_time_is_a_rejection_in_the_chain(airflow, home, judged):
    run_id = airflow.trigger("brief")
    assert airflow.wait_for_run("brief", run_id)["state"] == "success"

    assert airflow.tasks("brief", run_id)["live"]["state"] == "skipped"
    assert record_of(home, "brief", run_id)["details"]["status"] == "expired"
    [entry] = Chain(Store(home.store), "brief").entries("approval/approval")
    assert (entry.kind, entry.by) == ("expired", "nobody")
    assert entry.reason.startswith("nobody has decided until")


@pytest.fixture(scope="module")
def waiting(judged):
    return judged()


def test_what_waits_is_shown_to_those_who_may_read_it(people, waiting):
    run_id = waiting

    items = people.client("rita").get("/approvals").raise_for_status().json()
    [item] = [item for item in items if item["run"] == run_id]
    assert (item["workflow"], item["phase"], item["approval"]["why_not"]) == ("judged", "approval", "")
    assert httpx.get(f"{people.airflow.url}/mlops/approvals", timeout=60).status_code == 401
    page = httpx.get(f"{people.airflow.url}/mlops{people.path(run_id)}", headers={"Accept": "text/html"}, timeout=60)
    assert page.status_code == 307
    assert "/auth/login" in page.headers["location"]


def test_the_command_line_lists_shows_and_decides(airflow, waiting):
    def mlops(user, *arguments, answer=""):
        environment = {**os.environ, "MLOPS_AIRFLOW_TOKEN": airflow.token(user), "MLOPS_AIRFLOW_URL": airflow.url}
        command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "approve", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False, input=answer
        )

    listed = mlops("una", "judged")
    author = mlops("admin", "judged", waiting, "--yes")
    doubtful = mlops("una", "judged", waiting, answer="n\n")
    stale = mlops("una", "judged", waiting, "--evidence", "0" * 64)
    sure = mlops("una", "judged", waiting, "--yes", "--reason", "fine", "--json")

    assert f"judged {waiting} approval: Release judged version" in listed.stdout
    assert "you may decide" in listed.stdout
    assert (author.returncode, "admin is an author" in author.stderr) == (1, True)
    assert (doubtful.returncode, "quality: passed" in doubtful.stdout) == (1, True)
    assert (stale.returncode, "was shown, but what is asked" in stale.stderr) == (1, True)
    assert json.loads(sure.stdout)["said"] == "1 of 2 approved", sure.stderr


def test_a_decision_whose_server_died_before_it_told_airflow_is_followed_by_whoever_looks(
    airflow, home, waiting, people
):
    run_id, store = waiting, Store(home.store)
    request = latest_request(store, "judged", run_id, "approval")
    said = {"choice": "approved", "evidence": request.evidence, "via": "rest"}
    decide(store, request, Decision(user="rita", **said))

    assert people.asked(run_id)["status"] == "approved"

    assert airflow.wait_for_run("judged", run_id)["state"] == "success"
    assert airflow.tasks("judged", run_id)["live"]["state"] == "success"
    decisions = record_of(home, "judged", run_id)["details"]["decisions"]
    assert [(d["by"]["name"], d["reason"]) for d in decisions] == [("una", "fine"), ("rita", "")]
