"""The routes of signed links, without a login: what they show, what they refuse, that opening one decides nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from mlops_provider.decision_link import sign
from mlops_provider.runtime.approval.evidence import Evidence, publish
from mlops_provider.runtime.approval.ledger import Tally
from mlops_provider.runtime.approval.request import Request, ask

KEY = "k" * 64
SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.fixture
def client(bench, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__STORE", str(bench.store.url))
    monkeypatch.setenv("AIRFLOW__MLOPS__LINK_KEY", KEY)
    from mlops_provider.console.app import app

    return TestClient(app)


def asked(bench, version="1", **fields):
    """Ask rita, una and ana's two friends about a version; ana started the run."""
    context = bench.context("approval", "approve")
    model = {"name": "flow", "version": version, "digest": version * 64}
    about = {"models": (model,), "champions": {"flow": {}}, "why_no_changes": "there is no champion yet"}
    shown = Evidence(workflow="flow", run="run-1", phase="approval", started="ana started it", **about)
    report = publish(context, shown)
    given = {"approvers": ("rita", "una", "ana"), "authors": ("ana",), "needed": 2, "until": SOON, **fields}
    question = Request(
        workflow="flow",
        run="run-1",
        phase="approval",
        evidence=report.digest,
        report=report.uri,
        models=(model,),
        asked="2026",
        **given,
    )
    return ask(bench.store, question)


def test_opening_a_link_shows_the_evidence_and_decides_nothing_and_the_button_does(bench, client):
    question = asked(bench)
    address = f"/decide/{sign(question, 'una', KEY)}"

    opened = client.get(address)
    assert opened.status_code == 200
    assert "Release flow version 1?" in opened.text
    assert "Approve as una" in opened.text
    assert opened.headers["referrer-policy"] == "no-referrer"
    assert "form-action 'self'" in opened.headers["content-security-policy"]
    assert Tally.read(bench.store, question).decisions == ()

    used = client.post(address, data={"choice": "approved", "reason": "<b>fine</b>"})
    assert used.status_code == 200
    assert "&lt;b&gt;fine" in used.text
    [entry] = Tally.read(bench.store, question).decisions
    assert (entry.by, entry.payload["via"], entry.payload["evidence"]) == ("una", "link", question.evidence)
    again = client.post(address, data={"choice": "rejected", "reason": "no"})
    assert (again.status_code, "this link was used at" in again.text) == (409, True)


def test_a_link_for_another_version_does_not_serve_and_says_what_is_asked_now(bench, client):
    old = sign(asked(bench), "una", KEY)
    question = asked(bench, "2")

    for answer in (client.get(f"/decide/{old}"), client.post(f"/decide/{old}", data={"choice": "approved"})):
        assert answer.status_code == 409
        assert "what is asked is about version 2 of flow" in answer.text
    assert Tally.read(bench.store, question).decisions == ()


@pytest.mark.parametrize(
    ("user", "status", "said"),
    [("ana", 403, "ana is an author of this change"), ("otto", 403, "otto may not decide on this")],
)
def test_a_link_gives_no_right_that_its_person_has_not(bench, client, user, status, said):
    answer = client.post(f"/decide/{sign(asked(bench), user, KEY)}", data={"choice": "approved"})

    assert answer.status_code == status
    assert said in answer.text


@pytest.mark.parametrize(
    ("token", "said"),
    [("nonsense", "no link of ours"), ("a.b.c", "no link of ours"), ("x" * 5000, "no link of ours")],
)
def test_what_is_no_link_is_refused(client, token, said):
    answer = client.get(f"/decide/{token}")

    assert answer.status_code == 403
    assert said in answer.text


def test_a_link_whose_question_is_gone_or_whose_key_was_taken_away_does_not_serve(bench, client, monkeypatch):
    elsewhere = Request(workflow="gone", run="r", phase="p", evidence="e" * 64, report="r", asked="2026", until=SOON)
    assert client.get(f"/decide/{sign(elsewhere, 'una', KEY)}").status_code == 409

    token = sign(asked(bench), "una", KEY)
    monkeypatch.setenv("AIRFLOW__MLOPS__LINK_KEY", "")
    answer = client.get(f"/decide/{token}")
    assert (answer.status_code, "link_key is not set" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"choice=perhaps", {"Content-Type": "application/x-www-form-urlencoded"}, 422),
        (b"[1, 2]", {}, 422),
        (b"\xff\xfe", {}, 422),
        (b"x" * 20_000, {}, 413),
        (b'{"choice": "approve"}', {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_body_that_is_no_answer_is_refused(bench, client, body, headers, status):
    question = asked(bench)

    answer = client.post(f"/decide/{sign(question, 'una', KEY)}", content=body, headers=headers)

    assert answer.status_code == status
    assert Tally.read(bench.store, question).decisions == ()
