"""Policies as gates: a release of a risk class is refused until records are there and have passed."""

from __future__ import annotations

import pytest

from mlops_dag_factory.spec import EvaluateSpec, ReleaseSpec
from mlops_provider.evidence_policy import read_policies
from mlops_provider.exceptions import CheckpointBlockedError, ConfigError, ReleaseRefusedError
from mlops_provider.runtime.records import note
from mlops_provider.runtime.release import advance
from mlops_provider.runtime.required_evidence import require_evidence

POLICY = """
high:
  require: [evaluate.gates, {approve: {approvals: 2}}]
  forbid: [evaluate.on_fail=ask, "release.strategy=all_at_once"]
limited: {require: [evaluate]}
"""


@pytest.fixture
def ground(bench):
    (bench.root / "policies.yaml").write_text(POLICY)
    bench.trained, _, bench.rows = bench.model()
    bench.registered = bench.version(bench.trained)
    return bench


def context(bench):
    return bench.context("live", "release", policies=str(bench.root / "policies.yaml"))


def judge(bench, model=None, **fields):
    spec = EvaluateSpec(model="m", data="d", evidently=False, **fields)
    return bench.run(spec, {"model": model or bench.trained, "data": bench.rows}, phase="quality")


def approve(bench, *people):
    decisions = [{"choice": "approved", "by": {"id": person, "name": person}} for person in people]
    details = {"approved": True, "decisions": decisions, "models": []}
    note(bench.context("approval", "approve"), started="2026", summary="", details=details)


def ask(bench, risk="high", **config):
    return require_evidence(context(bench), risk, bench.registered, {"strategy": "canary", **config})


def test_a_release_without_its_evidence_is_refused_and_all_that_is_missing_is_named(ground):
    with pytest.raises(ReleaseRefusedError) as refused:
        advance(ReleaseSpec(model="m", risk="high"), {"model": [ground.registered]}, context(ground))

    message = refused.value.message
    assert "evaluate.gates (no such phase has a record in this run)" in message
    assert "approve with approvals: 2 (no such phase has a record in this run)" in message
    assert "forbids release.strategy=all_at_once (live)" in message
    assert not refused.value.retryable


def test_with_its_evidence_it_may_be_released_and_the_records_are_named(ground):
    judge(ground, gates=["accuracy > 0.5"])
    approve(ground, "rita", "una")

    proven = ask(ground)["proven"]

    assert proven == {"evaluate.gates": ["quality"], "approve with approvals: 2": ["approval"]}


def test_a_blocked_verdict_an_evaluation_without_gates_and_one_person_twice_do_not_do(ground):
    approve(ground, "rita", "rita")
    judge(ground)
    with pytest.raises(ReleaseRefusedError, match=r"quality has gates: \[\].*approval has approvals: 1"):
        ask(ground)
    with pytest.raises(ReleaseRefusedError, match="quality is vacuous"):
        ask(ground, risk="limited")

    with pytest.raises(CheckpointBlockedError):
        ground.run(
            EvaluateSpec(model="m", data="d", evidently=False, gates=["accuracy > 2"]),
            {"model": ground.trained, "data": ground.rows},
            phase="quality",
            attempt=2,
        )
    with pytest.raises(ReleaseRefusedError, match="quality is blocked"):
        ask(ground, risk="limited")


def test_an_evaluation_of_another_model_proves_nothing_about_this_one(ground):
    other, _, _ = ground.model(parameters={"max_iter": 2000, "C": 0.01})
    judge(ground, other, gates=["accuracy > 0.5"])

    with pytest.raises(ReleaseRefusedError, match="quality is about another model"):
        ask(ground, risk="limited")


def test_what_is_forbidden_in_another_phase_is_found_in_its_record(ground):
    judge(ground, gates=["accuracy > 0.5"], on_fail="ask")
    approve(ground, "rita", "una")

    with pytest.raises(ReleaseRefusedError, match=r"forbids evaluate.on_fail=ask \(quality\)"):
        ask(ground)


def test_without_a_risk_class_or_a_policy_for_it_nothing_is_asked(ground):
    assert ask(ground, risk=None) == ask(ground, risk="minimal") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("severe: {require: [evaluate]}", "severe"),
        ("high: [evaluate]", "high is not a policy"),
        ("high: {require: evaluate}", "high.require is not a list"),
        ("high: {require: [evalute]}", "'evalute', which proves nothing"),
        ("high: {require: [[evaluate]]}", "is no rule"),
        ("high: {need: [evaluate]}", "is not a policy"),
        ("high: {", "cannot be read"),
        ("- high", "has list"),
    ],
)
def test_a_policy_file_that_is_wrong_says_what_is_wrong(tmp_path, text, said):
    (tmp_path / "p.yaml").write_text(text)

    with pytest.raises(ConfigError, match=said):
        read_policies(tmp_path / "p.yaml")


def test_a_policy_file_that_is_gone_stops_the_release_and_lets_nothing_through(ground):
    (ground.root / "policies.yaml").unlink()

    with pytest.raises(ConfigError, match="cannot be read"):
        ask(ground)
