"""Decisions under rules: who, how many, once, with a reason, on which evidence, until when; all in the audit chain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_provider.exceptions import (
    ConfigError,
    DecisionClosedError,
    DecisionForbiddenError,
    DecisionIncompleteError,
    DecisionRefusedError,
    EvidenceChangedError,
)
from mlops_provider.runtime.approval.ledger import Decision, Tally, decide, expire
from mlops_provider.runtime.approval.request import Request, ask, latest_request
from mlops_provider.runtime.records import note
from mlops_provider.store.chain import Chain
from mlops_provider.store.chain_check import check_chain
from mlops_provider.store.store import Store

SHOWN, OTHER = "e" * 64, "f" * 64
MODEL = {"name": "rain", "version": "3", "digest": "a" * 64}
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def question(store, **fields):
    given = {"approvers": ("rita", "una", "vera"), "authors": ("ana",), "needed": 2, "until": SOON, **fields}
    return ask(
        store,
        Request(
            workflow="rain",
            run="run-1",
            phase="approval",
            asked=datetime.now(UTC).isoformat(),
            **{"evidence": SHOWN, "report": "reports/e", "models": (MODEL,), **given},
        ),
    )


def answer(user, choice="approved", reason="", **fields):
    reason = reason or ("it is worse on old people" if choice == "rejected" else "")
    return Decision(**{"choice": choice, "user": user, "reason": reason, "evidence": SHOWN, "via": "rest", **fields})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_two_of_three_approve_and_the_chain_says_who_on_which_evidence(store):
    request = question(store)

    first = decide(store, request, answer("una"))
    second = decide(store, request, answer("rita", reason="good on all slices"))

    assert (first.status, second.status) == ("waiting", "approved")
    entries = list(Chain(store, "rain").entries())
    assert [(entry.kind, entry.by, entry.reason) for entry in entries] == [
        ("approved", "una", ""),
        ("approved", "rita", "good on all slices"),
    ]
    assert {entry.payload["evidence"] for entry in entries} == {SHOWN}
    assert entries[0].payload["models"] == [MODEL]
    assert check_chain(Chain(store, "rain")) == []


def test_one_rejection_rejects_and_what_comes_after_it_is_refused(store):
    request = question(store)

    decide(store, request, answer("una"))
    assert decide(store, request, answer("rita", "rejected")).status == "rejected"

    with pytest.raises(DecisionClosedError, match="it was rejected by rita"):
        decide(store, request, answer("vera"))
    assert len(Tally.read(store, request).decisions) == 2


@pytest.mark.parametrize(
    ("decision", "error", "said"),
    [
        (answer("ana"), DecisionForbiddenError, "ana is an author of this change"),
        (answer("7", name="ana"), DecisionForbiddenError, "ana is an author of this change"),
        (answer("otto"), DecisionForbiddenError, "otto may not decide on this\n  hint: who may: rita, una, vera"),
        (
            Decision(choice="rejected", user="una", evidence=SHOWN, via="rest"),
            DecisionIncompleteError,
            "needs a reason",
        ),
        (answer("una", "rejected", "   "), DecisionIncompleteError, "a rejection needs a reason"),
        (answer("una", reason="x" * 2001), DecisionIncompleteError, "2,001 characters, at most 2,000"),
        (
            answer("una", evidence=OTHER),
            EvidenceChangedError,
            "evidence ffffffffffff was shown, but what is asked is about version 3 of rain",
        ),
        (answer("una", evidence=""), EvidenceChangedError, "does not say on which evidence"),
    ],
)
def test_what_the_rules_do_not_allow_is_refused_and_leaves_nothing(store, decision, error, said):
    request = question(store)

    with pytest.raises(error, match=said):
        decide(store, request, decision)

    assert Chain(store, "rain").last() is None


def test_an_approval_needs_a_reason_where_the_workflow_says_so(store):
    request = question(store, reason="required")

    with pytest.raises(DecisionIncompleteError, match="an approval needs a reason"):
        decide(store, request, answer("una"))
    assert decide(store, request, answer("una", reason="fine")).status == "waiting"


def test_one_person_answers_once_under_either_name(store):
    request = question(store)
    decide(store, request, answer("7", name="una"))

    for again in (answer("7", name="una"), answer("una"), answer("una", "rejected")):
        with pytest.raises(DecisionClosedError, match="una has approved this already"):
            decide(store, request, again)


def test_a_link_serves_once_and_says_when_it_did(store):
    request = question(store)
    decide(store, request, answer("una", via="link", link="1" * 64))

    with pytest.raises(DecisionClosedError, match=r"this link was used at .* it serves once"):
        decide(store, request, answer("una", via="link", link="1" * 64))


def test_the_end_of_the_time_is_a_rejection_on_record_and_is_recorded_once(store):
    request = question(store, until=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())

    with pytest.raises(DecisionClosedError, match="its time ended"):
        decide(store, request, answer("una"))
    expire(store, request)
    tally = expire(store, request)

    assert tally.status == "expired"
    assert [(entry.kind, entry.by) for entry in tally.entries] == [("expired", "nobody")]


def test_an_approval_in_time_is_not_undone_by_the_end_of_the_time(store):
    request = question(store, needed=1)
    decide(store, request, answer("una"))

    assert expire(store, request).status == "approved"


def test_of_many_people_at_once_none_is_lost_and_none_is_too_many(store):
    people = tuple(f"p{number}" for number in range(12))
    request = question(store, approvers=people, needed=5)

    def cast(user):
        try:
            return decide(store, request, answer(user)).status
        except DecisionClosedError:
            return "late"

    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(cast, people))

    tally = Tally.read(store, request)
    assert (tally.status, tally.approvals) == ("approved", 5)
    assert results.count("late") == 7
    assert check_chain(Chain(store, "rain")) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["rita", "una", "vera", "ana", "otto"]), st.booleans()), max_size=8))
def test_whatever_people_do_the_outcome_follows_from_the_answers_that_were_taken(tmp_path_factory, attempts):
    store = Store(tmp_path_factory.mktemp("law") / "store")
    request = question(store)
    taken = {}
    for user, yes in attempts:
        before = Tally.read(store, request).status
        try:
            decide(store, request, answer(user, "approved" if yes else "rejected"))
        except DecisionRefusedError:
            assert user in {"ana", "otto", *taken} or before != "waiting"
        else:
            taken[user] = yes

    status = Tally.read(store, request).status
    expected = "rejected" if False in taken.values() else "approved" if len(taken) == 2 else "waiting"
    assert status == expected


def test_runs_that_wait_at_once_do_not_mix(store):
    first = question(store, needed=1)
    other = ask(store, replace(first, run="run-2", models=({**MODEL, "version": "4"},)))

    decide(store, other, answer("una"))

    assert Tally.read(store, first).status == "waiting"
    assert decide(store, first, answer("una")).status == "approved"


def test_an_attempt_after_a_crash_goes_on_with_the_answers_that_there_are(store):
    request = question(store)
    decide(store, request, answer("una"))

    again = question(store)

    assert again == request
    assert decide(store, again, answer("rita")).status == "approved"


def test_other_evidence_is_asked_anew_and_old_answers_do_not_count(store):
    old = question(store)
    decide(store, old, answer("una"))

    new = question(store, evidence=OTHER)

    assert (new.round, latest_request(store, "rain", "run-1", "approval")) == (2, new)
    assert Tally.read(store, new).decisions == ()
    with pytest.raises(EvidenceChangedError):
        decide(store, new, answer("una"))


def test_a_task_that_is_run_again_after_its_end_asks_anew(bench):
    request = question(bench.store, needed=1)
    decide(bench.store, request, answer("una", "rejected"))
    note(
        bench.context("approval", "approve", workflow="rain"),
        started="2026",
        summary="",
        details={"request": request.digest},
    )

    again = question(bench.store, needed=1)

    assert again.round == 2
    assert decide(bench.store, again, answer("una")).status == "approved"


def test_a_question_that_nobody_can_answer_is_an_error_that_says_who_is_left(store):
    with pytest.raises(ConfigError, match=r"needs 2 approvals, and only 1 may decide; ana is an author"):
        question(store, approvers=("ana", "una"))
