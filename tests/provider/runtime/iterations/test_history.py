"""Which run was the last good one."""

from __future__ import annotations

from mlops_provider.runtime.iterations.history import last_good, read_run
from mlops_provider.runtime.records import note


def good(iterations, run_id):
    found = last_good(iterations.store, read_run(iterations.store, "flow", run_id).phases["quality"])
    return found and (found.run_id, found.status, found.by)


def test_the_last_good_run_is_the_latest_earlier_one_whose_gates_held(iterations):
    for gates in (["accuracy > 0.5"], ["accuracy > 0.5"], ["accuracy > 2"], [], ["accuracy > 0.5"]):
        iterations.run(gates=gates)

    assert good(iterations, "run-1") is None
    assert good(iterations, "run-2") == ("run-1", "passed", "")
    assert good(iterations, "run-5") == ("run-2", "passed", "")  # one is blocked, one has no gates: neither is proven


def test_a_run_that_a_person_let_go_on_is_good_and_says_who_and_why(iterations):
    iterations.run(gates=["accuracy > 2"])
    context = iterations.bench.context("quality.override", "override", run_id="run-1")
    said = "Overridden by ana: the sensor was new."
    note(context, started="2026-01-01", summary=said, config={"of": "quality"}, details={"overridden": True})
    iterations.run()

    assert good(iterations, "run-2") == ("run-1", "overridden", said)


def test_a_model_of_another_target_is_not_comparable(iterations):
    iterations.run()
    iterations.target = "cold"
    iterations.run(iterations.frame.rename(columns={"warm": "cold"}))

    assert good(iterations, "run-2") is None
