"""What changed between two runs: exactly what was changed, and nothing else."""

from __future__ import annotations

import json
import shutil

import pytest

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.iterations.changes import changes_between
from mlops_provider.runtime.records import run_records
from mlops_provider.runtime.table import read_frame


def between(iterations, earlier, later, **options):
    return changes_between(iterations.store, "flow", earlier, later, **options)


def test_of_two_equal_runs_nothing_changed_and_what_was_compared_is_named(iterations):
    found = between(iterations, iterations.run(), iterations.run())

    assert found.changes == ()
    assert found.unknown == ()
    assert set(found.same) == {"data", "parameters", "seed", "code", "libraries", "champion", "phases"}


def test_changed_parameters_and_a_changed_seed_are_named_and_nothing_else(iterations):
    before = iterations.run(run_parameters={"least": 1})
    after = iterations.run(parameters={"max_depth": 2}, seed=5, run_parameters={"least": 2})

    found = between(iterations, before, after)

    assert {(change.kind, change.says) for change in found.changes} == {
        ("parameters", "parameter least 1 → 2"),
        ("parameters", "model.parameters.max_depth 6 → 2"),
        ("seed", "model.seed 0 → 5"),
    }
    assert {"data", "code", "libraries"} <= set(found.same)


def test_changed_code_is_named_with_the_phase_that_calls_it_although_no_cache_was_on(iterations):
    before = iterations.run()
    iterations.code(least=-99)
    after = iterations.run()

    [change] = between(iterations, before, after).changes

    assert (change.kind, change.phase, change.subject) == ("code", "ready", "weather_parts:prepare")
    assert change.before != change.after
    assert change.says.startswith("the code of weather_parts:prepare changed, which ready calls (")


def test_labels_broken_in_one_region_are_counted_where_nothing_drifted(iterations):
    before = iterations.run()
    frame = iterations.frame.copy()
    broken = frame["origin"] == "JFK"
    frame.loc[broken, "warm"] = 1 - frame.loc[broken, "warm"]
    after = iterations.run(frame)

    found = between(iterations, before, after)

    assert {change.kind for change in found.changes} == {"data"}
    versions = [change.says for change in found.changes if "version" in change.says]
    assert [text.partition(",")[0] for text in versions] == [
        "dataset rows.data: version 1 → 2",
        "dataset ready.data: version 1 → 2",
        "dataset parts.test: version 1 → 2",
        "dataset parts.train: version 1 → 2",
    ]
    [column] = [change for change in found.changes if "column" in change.details]
    assert (column.phase, column.subject) == ("model", "warm")
    assert column.details["replaced_rows"] == replaced(iterations.store, before, after)
    assert f"{column.details['replaced_rows']:,} of 2,100 rows have another value than before" in column.says


def replaced(store, before, after):
    """Count the training rows whose label differs, with pandas."""
    frames = []
    for run in (before, after):
        [record] = [each for each in run_records(store, "flow", run) if each["phase"] == "parts"]
        frames.append(read_frame(store, ref_from_dict(record["outputs"]["train"])))
    return int((frames[0]["warm"] != frames[1]["warm"]).sum())


def test_shifted_new_vanished_and_missing_columns_are_named(iterations):
    before = iterations.run(iterations.frame.assign(old=1))
    frame = iterations.frame.copy()
    frame["dewp"] += 25
    frame.loc[frame.index % 4 == 0, "pressure"] = None
    after = iterations.run(frame.assign(extra=1))

    columns = {c.subject: c for c in between(iterations, before, after).changes if c.phase == "model"}

    assert set(columns) == {"extra", "old", "dewp", "pressure"}
    assert columns["extra"].says == "column extra is new"
    assert columns["old"].says == "column old is gone"
    assert columns["dewp"].details["drift"] == pytest.approx(columns["dewp"].details["shift"], abs=0.01)  # moved as one
    low, high = columns["pressure"].details["missing_share"]
    assert (low, high) == (0, pytest.approx(0.25, abs=0.03))
    json.dumps(between(iterations, before, after).to_dict())


def test_rows_that_were_put_in_front_are_counted_and_not_taken_for_replaced_ones(iterations):
    before = iterations.run(iterations.frame.iloc[500:])
    after = iterations.run(iterations.frame.iloc[:2500])

    found = between(iterations, before, after)

    assert not any(change.details.get("replaced_rows") for change in found.changes)


def test_a_run_that_is_not_there_is_answered_with_those_that_are(iterations):
    iterations.run()
    iterations.run()

    with pytest.raises(ConfigError, match=r"flow has no run 'nonsense'[\s\S]*the latest: run-1, run-2"):
        between(iterations, "run-1", "nonsense")


def test_data_that_is_gone_is_said_and_loses_nothing_else(iterations):
    before = iterations.run()
    after = iterations.run(iterations.frame.iloc[:2500], parameters={"max_depth": 2})
    shutil.rmtree(iterations.bench.root / "store" / "flow" / "datasets")

    found = between(iterations, before, after)

    assert "model.parameters.max_depth 6 → 2" in [change.says for change in found.changes]
    assert any(each.startswith("the columns that model learned from: ") for each in found.unknown)


def test_what_was_compared_once_is_read_ever_after_with_the_same_words(iterations):
    before = iterations.run()
    frame = iterations.frame.assign(pressure=iterations.frame["pressure"] + 5)
    after = iterations.run(frame)

    first = between(iterations, before, after)
    [kept] = (iterations.bench.root / "store" / "flow" / "compared").iterdir()
    again = between(iterations, before, after)

    assert again == first
    assert any(change.says.startswith("column pressure: drift ") for change in first.changes)
    kept.write_text(kept.read_text().replace("column pressure", "column weight"))
    assert any(change.says.startswith("column weight: drift ") for change in between(iterations, before, after).changes)
