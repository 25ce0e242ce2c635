"""Why a metric fell: both models on both sets of rows, the ranking, the proposals with their numbers."""

from __future__ import annotations

import json

import pytest
from sklearn.metrics import accuracy_score

from mlops_dag_factory.spec import EvaluateSpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.iterations.comparison import compare
from mlops_provider.runtime.iterations.history import read_run
from mlops_provider.runtime.iterations.page import comparison_page
from mlops_provider.runtime.iterations.section import section
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model
from mlops_provider.verdicts import RuleResult, Verdict


def explained(iterations, earlier, later):
    found = compare(iterations.store, *(read_run(iterations.store, "flow", run) for run in (earlier, later)))
    return found.explanation, found


def scores(iterations, *runs):
    """Score, by scikit-learn, the model of each run on the rows of each run."""
    models, frames = [], []
    for run in runs:
        inputs = read_run(iterations.store, "flow", run).phases["quality"]["inputs"]
        models.append(load_model(iterations.store, ref_from_dict(inputs["model"][0])))
        frames.append(read_frame(iterations.store, ref_from_dict(inputs["data"][0])))
    return [[accuracy_score(frame["warm"], model.predict(frame)) for frame in frames] for model in models]


def test_a_model_that_became_worse_is_told_from_rows_that_became_harder(iterations):
    before = iterations.run()
    after = iterations.run(parameters={"max_depth": 1}, gates=["accuracy >= 0.95"])

    found, whole = explained(iterations, before, after)

    crossed = found.crossed
    [[old_old, old_new], [new_old, new_new]] = scores(iterations, before, after)
    assert (crossed.metric, crossed.old_old, crossed.old_new) == ("accuracy", old_old, old_new)
    assert (crossed.new_old, crossed.new_new) == (new_old, new_new)
    assert crossed.by_rows == 0
    assert crossed.by_rows + crossed.by_model == pytest.approx(crossed.fall)
    [suspect] = found.suspects
    assert (suspect.weight, suspect.says) == (1.0, "model.parameters.max_depth 6 → 1")
    proposed, *others = found.proposal
    assert all(other.startswith("Look at the rows where ") for other in others)
    assert proposed == (
        f"On the new rows the old model has accuracy {old_new:.3f} and the new one {new_new:.3f}, on the old rows "
        f"{old_old:.3f} and {new_old:.3f}: 100% of the fall of {old_old - new_new:.3f} comes with the model; the only "
        "change on its way: model.parameters.max_depth 6 → 1."
    )
    assert "http" not in comparison_page(whole)


def test_rows_that_became_harder_are_named_by_the_columns_that_drifted(iterations):
    """Half of the dew points are lost in noise: neither model can know any more."""
    before = iterations.run()
    frame = iterations.frame.copy()
    frame["dewp"] = frame["dewp"].sample(frac=1, random_state=0).to_numpy() * 2.0
    frame["humid"] = frame["humid"].sample(frac=1, random_state=0).to_numpy() * 1.5
    after = iterations.run(frame, gates=["accuracy >= 0.95"])

    found, _ = explained(iterations, before, after)

    [[old_old, old_new], _] = scores(iterations, before, after)
    assert found.step.name == "accuracy"
    assert found.proposal[0].startswith(
        f"The old model has accuracy {old_old:.3f} on the old rows and {old_new:.3f} on the new: the data became harder"
    )
    first = found.suspects[0]
    assert (first.side, first.subject) in {("rows", "dewp"), ("rows", "humid")}
    assert sum(suspect.weight for suspect in found.suspects) == pytest.approx(1)


def test_broken_labels_are_not_taken_for_a_worse_model_or_harder_rows(iterations):
    before = iterations.run()
    frame = iterations.frame.copy()
    frame.loc[frame["origin"] == "JFK", "warm"] = 1 - frame.loc[frame["origin"] == "JFK", "warm"]
    after = iterations.run(frame, gates=["accuracy >= 0.99"])

    found, _ = explained(iterations, before, after)

    assert found.crossed.meaning_changed
    assert found.proposal[0].startswith("Each model does well on its own rows (accuracy ")
    assert any("rows of the training data have another warm than before, and that is the" in p for p in found.proposal)
    assert [suspect.weight for suspect in found.suspects] == [None]


def test_where_nothing_fell_nothing_is_explained(iterations):
    found, _ = explained(iterations, iterations.run(), iterations.run())

    assert (found.step, found.proposal, found.suspects) == (None, [], [])


def test_models_that_do_not_fit_the_other_rows_lose_only_the_four_scores(iterations):
    before = iterations.run()
    frame = iterations.frame.copy()
    frame["pressure"] = "p" + frame["pressure"].astype(str)
    after = iterations.run(frame, gates=["accuracy >= 0.99"])

    found, _ = explained(iterations, before, after)

    assert found.crossed is None
    assert "column 'pressure' is string, but the model learned it as float" in found.missing[0]
    assert found.steps


def section_of(iterations, run_id, value, verdict):
    record = read_run(iterations.store, "flow", run_id).phases["quality"]
    inputs = {field: [ref_from_dict(ref) for ref in refs] for field, refs in record["inputs"].items()}
    context = iterations.bench.context("quality", "evaluate", run_id="now")
    config = EvaluateSpec(model="model", data="parts.test", gates=["accuracy >= 0.5"])
    rule = RuleResult(rule="accuracy >= 0.5", result="failed" if verdict == "blocked" else "passed", why="")
    verdict = Verdict(status=verdict, rules=(rule,))
    return section(context, config, inputs, metrics={"accuracy": value}, verdict=verdict)


def test_the_report_has_its_section_only_where_something_fell_or_failed(iterations):
    run_id = iterations.run()

    assert section_of(iterations, run_id, 1.0, "passed") == ("", {})
    html, found = section_of(iterations, run_id, 0.4, "passed")
    assert "whose quality was passed" in html
    assert found["looked_into"] == "accuracy"
    assert [point["run_id"] for point in found["history"]] == ["run-1", "now"]


def test_without_a_good_run_a_blocked_one_says_so(iterations):
    run_id = iterations.run(gates=["accuracy > 2"])

    html, found = section_of(iterations, run_id, 0.4, "blocked")

    assert "No earlier run of quality was good" in html
    assert found == {"why_not": "No earlier run of quality was good, so there is nothing to compare with."}
    assert section_of(iterations, run_id, 0.4, "passed") == ("", {})


def test_a_history_that_cannot_be_read_is_said_in_the_sections_place(iterations):
    iterations.run()
    run_id = iterations.run()
    [file] = (iterations.bench.root / "store/flow/runs/run-1/quality").glob("*.json")
    file.write_bytes(file.read_bytes()[:100])

    html, found = section_of(iterations, run_id, 0.4, "blocked")

    assert "It cannot be said: JSONDecodeError" in html
    assert found["why_not"].startswith("JSONDecodeError")


def test_the_report_of_an_evaluation_that_blocks_says_what_changed(iterations):
    iterations.run()
    after = iterations.run(parameters={"max_depth": 1}, gates=["accuracy >= 0.95"])

    ref = ref_from_dict(read_run(iterations.store, "flow", after).phases["quality"]["outputs"]["report"])
    folder = iterations.store.open(ref).folder
    assert "<h2>What changed since the last good run</h2>" in (folder / "report.html").read_text()
    since = json.loads((folder / "report.json").read_text())["since_last_good"]
    assert since["suspects"][0]["says"] == "model.parameters.max_depth 6 → 1"
