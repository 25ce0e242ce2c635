"""Signed links: whose they are, for what, until when, and what happens to those that were changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from mlops_provider.decision_link import read_link, sign
from mlops_provider.exceptions import LinkError
from mlops_provider.runtime.approval.request import Request

KEY, OTHER = "k" * 64, "o" * 64


def request(**fields):
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    given = {"evidence": "e" * 64, "report": "r", "asked": "2026", "until": soon, **fields}
    return Request(workflow="rain", run="run-1", phase="approval", **given)


def test_a_link_names_the_question_the_evidence_and_the_person():
    asked = request()

    claims = read_link(sign(asked, "una", KEY), (KEY,))

    assert (claims.user, claims.request, claims.evidence) == ("una", asked.digest, asked.evidence)
    assert (claims.workflow, claims.run, claims.phase) == ("rain", "run-1", "approval")


def test_a_link_of_the_key_before_is_taken_and_of_an_unknown_key_is_not():
    token = sign(request(), "una", KEY)

    assert read_link(token, (OTHER, KEY)).user == "una"
    with pytest.raises(LinkError, match="changed, or signed with another key"):
        read_link(token, (OTHER,))
    with pytest.raises(LinkError, match="link_key is not set"):
        read_link(token, ())


def test_a_link_ends_with_the_time_of_the_question():
    token = sign(request(until=(datetime.now(UTC) - timedelta(seconds=1)).isoformat()), "una", KEY)

    with pytest.raises(LinkError, match="this link is over"):
        read_link(token, (KEY,))


@pytest.mark.parametrize("place", range(0, 300, 17))
def test_whichever_sign_is_changed_the_link_does_not_serve(place):
    token = sign(request(), "una", KEY)
    place %= len(token) - 1
    changed = f"{token[:place]}{'A' if token[place] != 'A' else 'B'}{token[place + 1 :]}"

    with pytest.raises(LinkError):
        read_link(changed, (KEY,))


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_a_token_of_another_make_does_not_serve(algorithm):
    body = jwt.decode(sign(request(), "una", KEY), KEY, algorithms=["HS256"], audience="mlops.approval")
    token = jwt.encode({**body, "sub": "rita"}, "" if algorithm == "none" else KEY, algorithm=algorithm)

    with pytest.raises(LinkError, match="cut or changed"):
        read_link(token, (KEY,))
