"""Freezes: when they hold, what a release does then, and what is on record when somebody overrides one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlops_dag_factory.spec import ReleaseSpec
from mlops_dag_factory.spec.freeze import FreezeSpec
from mlops_provider.exceptions import ReleaseRefusedError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.release import advance
from mlops_provider.runtime.rollout.freeze import frozen
from mlops_provider.runtime.rollout.one_look import look
from mlops_provider.runtime.rollout.progress import Waiting
from mlops_provider.store.chain import Chain
from mlops_provider.store.services import read_service

HOLIDAYS = {"from": "2026-12-20", "to": "2027-01-03", "reason": "holidays"}
WEEKENDS = {"cron": "0 16 * * 5", "for": "64h", "timezone": "Europe/Berlin", "reason": "nobody is here"}
MODEL = ModelRef(uri="s/flow/models/a", digest="a" * 64, name="flow", version="7")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moment(**shift):
    return (datetime.now(UTC) + timedelta(**shift)).isoformat(timespec="seconds")


def now_frozen(**fields):
    window = {"from": moment(hours=-1), "to": moment(hours=1), "reason": "the books are closed"}
    return ReleaseSpec(model="m", freeze=[window], **fields)


@pytest.mark.parametrize(
    ("freeze", "moment", "until"),
    [
        (HOLIDAYS, "2026-12-19T23:59:59", None),
        (HOLIDAYS, "2026-12-20T00:00:00", "2027-01-04T00:00:00"),
        (HOLIDAYS, "2027-01-03T23:59:59", "2027-01-04T00:00:00"),  # the last day is part of it
        (HOLIDAYS, "2027-01-04T00:00:00", None),
        (WEEKENDS, "2026-07-10T13:59:59", None),  # 15:59 in Berlin, a Friday
        (WEEKENDS, "2026-07-10T14:00:00", "2026-07-13T06:00:00"),
        (WEEKENDS, "2026-07-13T05:59:59", "2026-07-13T06:00:00"),
        (WEEKENDS, "2026-07-13T06:00:00", None),
        (WEEKENDS, "2026-12-11T14:59:59", None),  # in winter an hour later
        (WEEKENDS, "2026-12-11T15:00:00", "2026-12-14T07:00:00"),
    ],
)
def test_a_freeze_holds_from_its_first_to_its_last_moment(freeze, moment, until):
    found = frozen([FreezeSpec.model_validate(freeze)], at(moment))

    assert (found.until if found else None) == (at(until) if until else None)


def test_of_several_freezes_the_one_that_ends_last_is_said():
    freezes = [FreezeSpec.model_validate(one) for one in (WEEKENDS, HOLIDAYS)]

    found = frozen(freezes, at("2026-12-25T20:00:00"))

    assert str(found) == "releases are frozen until 2027-01-04T00:00+00:00: holidays"


def test_a_release_in_a_freeze_is_refused_and_nothing_changes(bench):
    context = bench.context("live", "release")

    with pytest.raises(ReleaseRefusedError, match=r"releases are frozen until .*: the books are closed"):
        advance(now_frozen(), {"model": [MODEL]}, context)

    assert read_service(bench.store, "flow", "production").revision == 0
    assert list(Chain(bench.store, "flow").entries()) == []


def test_a_release_that_waits_holds_no_worker_and_looks_again(bench):
    context, spec = bench.context("live", "release"), now_frozen(on_freeze="wait")

    found = advance(spec, {"model": [MODEL]}, context)

    assert isinstance(found, Waiting)
    assert found.seconds <= 300
    assert look(spec, {"model": [MODEL]}, context) == found


def test_a_freeze_that_is_overridden_is_on_record_with_who_and_why(bench):
    from mlops_provider.runtime.release import held

    context = bench.context("live", "release", reason={"kind": "manual", "by": "bo"})
    spec = now_frozen(override="the model in production is wrong")

    assert held(spec, context) is None
    assert held(spec, context) is None

    [entry] = Chain(bench.store, "flow").entries()
    assert (entry.kind, entry.by, entry.reason) == ("freeze_overridden", "bo", "the model in production is wrong")
    assert entry.payload["freeze"] == "the books are closed"
