"""The cache: a hit only while everything that the outcome depends on is the same, and always with the reason."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_dag_factory.spec import EvaluateSpec, IngestSpec, SplitSpec, TransformSpec, ValidateSpec
from mlops_provider.exceptions import NotFoundInStoreError
from mlops_provider.runtime.outside import code_digest
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.records import read_record


class Runs:
    """Does phases with the cache on, each in a run of its own."""

    def __init__(self, bench):
        self.bench = bench
        self.count = 0

    def __call__(self, spec, cache=True, phase="", **inputs):
        self.count += 1
        context = self.bench.context(
            phase or spec.type, spec.type, run_id=f"run-{self.count}", allowed_imports=("sklearn.", "steps")
        )
        finished = run_phase(spec, {name: [ref] for name, ref in inputs.items()}, context, cache=cache)
        record = read_record(self.bench.store, finished.record_uri)
        return record["cache"]["hit"], record["cache"]["why"], finished.outcome


@pytest.fixture
def runs(bench):
    return Runs(bench)


def test_a_file_is_read_again_only_when_it_changed(bench, runs):
    (bench.root / "a.csv").write_text("n\n1\n")
    first = runs(IngestSpec(source="*.csv"))
    again = runs(IngestSpec(source="*.csv"))
    (bench.root / "b.csv").write_text("n\n2\n")
    more = runs(IngestSpec(source="*.csv"))

    assert [hit for hit, _, _ in (first, again, more)] == [False, True, False]
    assert again[2].outputs == first[2].outputs
    assert "equal to" in again[1]
    assert more[2].outputs["data"].rows == 2


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (IngestSpec(source="a.csv", incremental="n"), "it reads what is new"),
        (ValidateSpec(data="d", rules=[{"freshness": {"column": "at", "within": "999999d"}}]), "how fresh data is"),
    ],
)
def test_what_changes_by_itself_is_looked_at_every_time(bench, runs, spec, why):
    (bench.root / "a.csv").write_text("n,at\n1,2026-01-01\n")
    data = {"data": bench.dataset("a.csv")} if spec.type == "validate" else {}

    for _ in range(2):
        hit, said, _ = runs(spec, **data)
        assert not hit
        assert why in said


def test_a_function_is_called_again_when_its_code_changed(bench, runs, monkeypatch):
    monkeypatch.syspath_prepend(str(bench.root))
    data = bench.dataset("sklearn:iris")
    (bench.root / "steps.py").write_text("def keep(table):\n    return table\n")
    spec = TransformSpec(data="d", python="steps:keep")
    assert [runs(spec, data=data)[0] for _ in range(2)] == [False, True]
    before = code_digest("steps:keep")
    (bench.root / "steps.py").write_text("def keep(table):\n    return table.slice(1)\n")

    assert code_digest("steps:keep") != before
    assert runs(spec, data=data)[0] is False


def test_an_evaluation_is_done_again_for_another_champion(bench, runs):
    from mlops_provider.runtime import tracking

    model, _, test = bench.model()
    spec = EvaluateSpec(model="m", data="d", gates=["accuracy >= 0.5"])
    assert [runs(spec, model=model, data=test)[0] for _ in range(2)] == [False, True]
    version = bench.version(model)
    tracking.set_alias(bench.tracking_uri, "flow", tracking.CHAMPION, version.version)

    hit, _, outcome = runs(spec, model=model, data=test)

    assert not hit
    assert outcome.details["champion_note"] == "the champion is version 1"


def test_results_are_forgotten_on_request_and_the_difference_is_said(bench, runs):
    data, other = bench.dataset("sklearn:iris"), bench.dataset("sklearn:wine")
    runs(SplitSpec(data="d"), data=data)
    runs(SplitSpec(data="d", seed=5), data=other)

    def command(*arguments):
        return CliRunner().invoke(mlops, ["cache", *arguments, "--store", bench.store.url])

    said = command("explain", "flow", "split").output
    assert "split: done: this work has not been done before" in said
    assert "since run run-1: config seed: 0 → 5" in said
    assert f'since run run-1: input data[0]: "{data.digest[:12]}" → "{other.digest[:12]}"' in said
    assert runs(SplitSpec(data="d"), data=data)[0] is True
    assert json.loads(command("explain", "flow", "--json").output)[0]["hit"] is True

    assert "2 results of flow.split are forgotten" in command("invalidate", "flow", "split").output
    hit, why, _ = runs(SplitSpec(data="d"), data=data)
    assert not hit
    assert "was invalidated by" in why
    assert runs(SplitSpec(data="d"), data=data)[0] is True
    assert command("explain", "nowhere").exit_code == 2


def test_a_part_whose_whole_is_gone_does_not_count(bench, runs):
    data = bench.dataset("sklearn:iris")
    assert [runs(SplitSpec(data="d"), data=data)[0] for _ in range(2)] == [False, True]
    copy = bench.store.open(data).files()[0]
    copy.rename(copy.with_suffix(".away"))

    with pytest.raises(NotFoundInStoreError):
        runs(SplitSpec(data="d"), data=data)
    copy.with_suffix(".away").rename(copy)
    assert runs(SplitSpec(data="d"), data=data)[0] is True


def test_old_results_do_not_count_and_broken_ones_neither(bench, runs):
    data = bench.dataset("sklearn:iris")
    first = runs(TransformSpec(data="d", sql="SELECT * FROM data LIMIT 9"), data=data)[2].outputs["data"]

    assert (
        "the limit is 0 s" in runs(TransformSpec(data="d", sql="SELECT * FROM data LIMIT 9"), cache=1e-9, data=data)[1]
    )
    bench.store.open(first).files()[0].write_bytes(b"short")
    hit, why, outcome = runs(TransformSpec(data="d", sql="SELECT * FROM data LIMIT 9"), data=data)
    assert not hit
    assert "is not whole any more" in why
    assert bench.store.open(outcome.outputs["data"], verify=True)
