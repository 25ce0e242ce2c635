"""What people are shown: verdicts, metrics beside the champion, lineage, changes, authors; bound by a digest."""

from __future__ import annotations

import pytest
from tests.provider.conftest import Bench

from mlops_dag_factory.spec import EvaluateSpec, IngestSpec, ReleaseSpec, SplitSpec, TrainSpec
from mlops_provider.exceptions import PromotionRefusedError
from mlops_provider.runtime.aliases import mirror_aliases
from mlops_provider.runtime.approval.evidence import gather, publish
from mlops_provider.runtime.approval.page import evidence_page
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.records import note

BY_ANA = {"kind": "manual", "by": "ana"}


def judge(bench, model, test, run_id):
    spec = EvaluateSpec(model="m", data="d", gates=["accuracy > 0.5", "gain.accuracy.low > -0.5"], evidently=False)
    bench.run(spec, {"model": model, "data": test}, phase="quality", run_id=run_id)
    return bench.version(model, run_id=run_id)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="module")
def versions(bench):
    """Version 1 is the champion; version 2 was made in run-2 with another parameter."""
    tree = "sklearn.tree.DecisionTreeClassifier"
    model, _, test = bench.model("sklearn:iris", estimator=tree)
    first = judge(bench, model, test, "run-1")
    release = bench.context("live", "release", run_id="run-1")
    promotion = Promotion.of(release, first)
    promotion.reserve(ReleaseSpec(model="m").wait)
    promotion.complete({})
    mirror_aliases(release, promotion.home, promotion.name)
    more = {"run_id": "run-2"}
    data = bench.run(IngestSpec(source="sklearn:iris"), **more).outputs["data"]
    parts = bench.run(SplitSpec(data="d", test=0.3, seed=1), {"data": data}, **more).outputs
    spec = TrainSpec(data="d", target="target", estimator=tree, parameters={"max_depth": 2})
    other = bench.run(spec, {"data": parts["train"]}, **more).outputs["model"]
    return first, judge(bench, other, parts["test"], "run-2")


def context(bench, reason=BY_ANA, run_id="run-2"):
    return bench.context("approval", "approve", run_id=run_id, reason=reason)


def test_the_page_shows_rules_metrics_beside_the_champion_changes_and_lineage(bench, versions):
    first, second = versions

    evidence = gather(context(bench), ["quality"])
    html = evidence_page(evidence)

    assert evidence.models == ({"name": "flow", "version": "2", "digest": second.digest},)
    assert evidence.champions["flow"]["digest"] == first.digest
    assert evidence.checkpoints[0]["status"] == "passed"
    for shown in (
        "Release flow version 2?",
        "gain.accuracy.low &gt; -0.5",
        "<th>champion</th>",
        "train.parameters.max_depth not set → 2",
        "sklearn:iris",
        "2 of 2 rules hold",
    ):
        assert shown in html, shown
    assert "<script" not in html
    assert "http" not in html


def test_the_digest_is_the_same_for_the_same_records_and_another_for_another_model(bench, versions):
    published = [publish(context(bench), gather(context(bench), ["quality"])) for _ in range(2)]
    other = publish(context(bench), gather(context(bench), ["quality"], [versions[0]]))

    assert published[0] == published[1]
    assert other.digest != published[0].digest


@pytest.mark.parametrize(
    ("reason", "authors", "started"),
    [
        (BY_ANA, ("ana",), "ana started it"),
        ({"kind": "scheduled", "by": ""}, (), "it was started by its schedule: nobody is its author"),
        (
            {
                "kind": "asset",
                "asset": "x-mlops://retrain/flow",
                "source": "flow.monitor/m1",
                "payload": {"why": "drift"},
            },
            (),
            "an event of flow.monitor/m1 started it: nobody is its author",
        ),
    ],
)
def test_the_author_is_who_started_the_run_and_a_run_by_plan_or_drift_has_none(bench, reason, authors, started):
    evidence = gather(context(bench, reason), [])

    assert (evidence.authors, evidence.started) == (authors, started)
    assert evidence.why == ("drift" if reason["kind"] == "asset" else "")


def test_who_answered_for_the_parameters_is_an_author_too_and_defaults_are_not(bench):
    for phase, user in (("model.ask", "Una Berg"), ("rows.ask", "")):
        note(bench.context(phase, "ask", run_id="run-3"), started="2026", summary="", details={"user": user})

    assert gather(context(bench, run_id="run-3"), []).authors == ("ana", "Una Berg")


def test_a_phase_that_did_not_run_and_text_that_looks_like_html_are_shown_as_that(bench):
    note(bench.context("quality", "evaluate", run_id="run-4"), started="2026", summary="<script>alert(1)</script>")

    for item, summary in (("north", "of the north"), ("south", "of the south")):
        note(bench.context(f"each@{item}", "evaluate", run_id="run-4"), started="2026", summary=summary)

    evidence = gather(context(bench, run_id="run-4"), ["quality", "late", "each"], left_out={"late": "no time"})
    html = evidence_page(evidence)

    assert [each["phase"] for each in evidence.checkpoints] == ["quality", "late", "each@north", "each@south"]
    assert "no time" in html
    assert "of the south" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "did not run" in html


def test_a_version_other_than_the_approved_one_is_not_released(bench, versions):
    first, second = versions
    details = {"approved": True, "decisions": [], "models": [{"name": "flow", "version": "1", "digest": first.digest}]}
    note(bench.context("approval", "approve", run_id="run-2"), started="2026", summary="", details=details)
    release = bench.context("live", "release", run_id="run-2")

    with pytest.raises(
        PromotionRefusedError, match=r"approval approved version 1 of flow .* version 2 .* is to be released"
    ):
        Promotion.of(release, second).reserve(ReleaseSpec(model="m").wait)
