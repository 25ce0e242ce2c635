"""kill -9 of a scoring, and two scorings at once."""

from __future__ import annotations

import json

import pytest

from mlops_provider.store.documents import revisions


def receipts(scoring):
    """Give how often each partition was noted."""
    store = scoring.bench.store
    root = "flow/predict"
    keys = [f"{root}/{work}/{part}" for work in store.files.list(root) for part in store.files.list(f"{root}/{work}")]
    return [len(revisions(store, key)) for key in keys]


@pytest.mark.kill
@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_scoring_goes_on_where_it_was(scoring, after):
    scoring = scoring()
    process = scoring.start(waits=True, destination="out")
    for number in range(after):
        assert process.stdout.readline() == f"part-{number:05d}\n"
        if number < after - 1:
            process.stdin.write("\n")
            process.stdin.flush()
    process.kill()
    assert process.wait() == -9

    outcome = scoring.run(partitions={"rows": 20}, destination="out")

    assert (outcome.metrics["reused"], outcome.metrics["scored"]) == (after, 9 - after)
    assert receipts(scoring) == [1] * 9
    assert len(scoring.frame(outcome)) == 171
    assert len(list((scoring.bench.root / "out").glob("*.parquet"))) == 9


@pytest.mark.kill
def test_two_scorings_at_once_give_one_answer_for_each_partition(scoring):
    scoring = scoring()

    processes = [scoring.start(run_id=f"run-{i}", destination="out") for i in range(2)]
    said = [process.communicate()[0].splitlines()[-1] for process in processes]

    first, second = (json.loads(line) for line in said)
    assert first["digest"] == second["digest"]
    assert first["rows"] == second["rows"] == 171
    assert receipts(scoring) == [1] * 9
    assert len(list((scoring.bench.root / "out").glob("*.parquet"))) == 9
