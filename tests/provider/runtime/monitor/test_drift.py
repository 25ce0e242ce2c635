"""The drift check: what single columns are scored by, what counts how much, and what no single column shows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mlops_dag_factory.cli.main import mlops
from mlops_provider.exceptions import DataError
from mlops_provider.runtime.domain_classifier import tell_frames_apart, tell_texts_apart


def rule(outcome, name):
    [found] = [rule for rule in outcome.verdict.rules if rule.rule == name]
    return found


def report(service, outcome):
    return json.loads((service.report(outcome) / "report.json").read_text())


@pytest.fixture
def shop(bench, watched):
    """A model of two columns that go together, one that matters little, a category, a note and a time."""
    generator = np.random.default_rng(0)
    rows = 1_500
    price = generator.normal(50, 10, rows)
    words = np.array(["late", "lost", "fine", "quick", "broken", "again", "refund", "please", "thanks", "today"])
    frame = pd.DataFrame(
        {
            "price": price,
            "fee": price * 0.1 + generator.normal(0, 0.1, rows),
            "noise": generator.normal(size=rows),
            "paid": generator.random(rows) > 0.3,
            "region": generator.choice(["north", "south"], rows),
            "note": [" ".join(generator.choice(words, 5)) for _ in range(rows)],
        }
    )
    frame["target"] = np.where(frame["price"] + generator.normal(0, 2, rows) > 50, "dear", "cheap")
    frame.to_parquet(bench.root / "shop.parquet")
    return watched("shop.parquet")


def test_columns_are_scored_as_the_workflow_says(shop):
    shop.log(shop.rows.assign(noise=shop.rows["noise"] + 0.3, price=shop.rows["price"] + 3))
    columns = {"noise": {"method": "ks"}, "price": {"threshold": 0.9}, "note": {"method": "length"}}

    _, outcome, _ = shop.look(checks={"data_drift": {"method": "psi", "share": 1, "columns": columns}})

    content = report(shop, outcome)
    assert content["methods"] == {
        "price": "psi", "fee": "psi", "noise": "ks", "paid": "psi", "region": "psi", "note": "length"
    }  # fmt: skip
    assert content["scores"]["noise"] == pytest.approx(0.12, abs=0.06)
    assert {*rule(outcome, "data_drift").values} == {"noise"}


def test_features_that_matter_little_count_little(shop):
    moved = shop.rows.assign(noise=shop.rows["noise"] + 5, region="north")
    shop.log(moved)

    _, plain, _ = shop.look(checks={"data_drift": {"share": 0.3}})
    _, weighted, _ = shop.look(checks={"data_drift": {"share": 0.3, "weight_by": "importance"}})
    shop.log(shop.rows.assign(price=shop.rows["price"] + 30), minutes_ago=0)
    _, heavy, _ = shop.look(checks={"data_drift": {"share": 0.3, "weight_by": "importance"}}, window={"rows": 300})

    assert plain.verdict.status == "blocked"
    assert weighted.verdict.status == "passed"
    assert weighted.metrics["drift_share"] < 0.1
    assert "of the importance" in rule(weighted, "data_drift").why
    assert heavy.verdict.status == "blocked"
    weights = report(shop, weighted)["weights"]["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights, key=weights.get) == "price"


def test_new_categories_are_said_or_a_breach(shop):
    region = ["west"] * 45 + list(shop.rows["region"])[45:]
    shop.log(shop.rows.assign(region=region))

    _, said, _ = shop.look(checks={"data_quality": {}})
    _, breach, _ = shop.look(checks={"data_quality": {"unseen_categories": "fail"}})
    _, off, _ = shop.look(checks={"data_quality": {"unseen_categories": "off"}})

    assert said.verdict.status == "passed"
    assert rule(said, "unseen_categories").result == "warned"
    assert "region 10.0% ('west')" in rule(said, "unseen_categories").why
    assert breach.verdict.status == "blocked"
    assert [one.rule for one in off.verdict.rules] == ["data_quality"]


def test_a_classifier_sees_what_no_single_column_shows(shop):
    generator = np.random.default_rng(1)
    checks = {"data_drift": {"share": 1, "multivariate": {"threshold": 0.7}}}
    shop.log(shop.rows, minutes_ago=5)
    _, quiet, _ = shop.look(checks=checks)
    apart = shop.rows.assign(fee=generator.permutation(shop.rows["fee"].to_numpy()))
    shop.log(apart)
    _, moved, _ = shop.look(checks=checks, window={"rows": len(apart)})

    assert quiet.verdict.status == "passed"
    assert moved.metrics["drift_share"] == 0
    found = rule(moved, "multivariate_drift")
    assert found.result == "failed"
    assert {*list(found.values)[:2]} == {"price", "fee"}
    assert moved.metrics["multivariate_drift"] > 0.8


def test_notes_are_texts_and_can_be_told_apart_by_embeddings(shop):
    shop.log(shop.rows.assign(note=[f"wo bleibt meine Bestellung Nummer {i}" for i in range(len(shop.rows))]))

    _, words, _ = shop.look(checks={"data_drift": {"share": 0.1}})
    columns = {"note": {"embedding": "hashing"}}
    _, embedded, _ = shop.look(checks={"data_drift": {"share": 0.1, "columns": columns}})

    assert report(shop, words)["methods"]["note"] == "vocabulary"
    assert report(shop, words)["scores"]["note"] > 0.5
    assert report(shop, embedded)["methods"]["note"] == "embedding"
    assert report(shop, embedded)["scores"]["note"] > 0.95


def test_texts_that_changed_late_in_a_long_window_are_seen(shop):
    rows = pd.concat([shop.rows] * 8, ignore_index=True)
    late = rows.index >= len(rows) * 0.6
    shop.log(rows.assign(note=rows["note"].where(~late, "wo bleibt meine Bestellung")))

    _, found, _ = shop.look(checks={"data_drift": {"share": 0.1, "columns": {"note": {"embedding": "hashing"}}}})

    assert len(rows) > 3 * 1_000
    assert report(shop, found)["scores"]["note"] > 0.65


def test_how_a_category_is_written_tells_no_rows_apart(shop):
    paid = shop.rows["paid"].map({True: "true", False: "FALSE"})
    shop.log(shop.rows, x_paid=paid)

    _, found, _ = shop.look(checks={"data_drift": {"multivariate": {}}})

    assert report(shop, found)["scores"]["paid"] == pytest.approx(0, abs=0.1)
    assert found.metrics["multivariate_drift"] < 0.6


def test_evidently_shows_and_tests_the_scores_of_all_rows(shop, tmp_path):
    shop.log(pd.concat([shop.rows.assign(price=shop.rows["price"] + 20)] * 4))
    _, outcome, _ = shop.look(checks={"data_drift": {}, "prediction_drift": {}})
    output = tmp_path / "numbers.json"

    wanted = ["--phase", "check", "--page", "evidently.json", "--output", str(output)]
    command = ["runs", "evidently", "flow", "monitor__1", *wanted, "--store", shop.bench.store.url]
    done = CliRunner().invoke(mlops, command)

    assert done.exit_code == 0, done.output
    numbers = json.loads(output.read_text())
    scores = report(shop, outcome)["scores"]
    shown = {metric["config"]["column"]: metric["value"] for metric in numbers["metrics"]}
    assert {name: shown[name] for name in scores} == pytest.approx(scores)
    failed = {test["name"]: test["description"] for test in numbers["tests"] if "FAIL" in str(test["status"])}
    said = failed["Value Drift for column price"]
    assert f"Wasserstein distance (normed), of all {len(shop.rows) * 4:,} rows" in said


def test_too_few_rows_and_odd_embeddings_say_so():
    frame = pd.DataFrame({"x": np.arange(40.0)})
    with pytest.raises(DataError, match="10 rows are too few"):
        tell_frames_apart(frame, frame.head(10), frozenset({"x"}), 100)
    with pytest.raises(DataError, match="no column is there"):
        tell_frames_apart(frame[[]], frame[[]], frozenset(), 100)
    with pytest.raises(DataError, match="the embedding of 80 texts has the shape"):
        tell_texts_apart(["a"] * 40, ["b"] * 40, lambda texts: np.zeros(len(texts)))


def test_missing_and_infinite_values_and_new_categories_tell_rows_apart():
    generator = np.random.default_rng(0)
    before = pd.DataFrame({"x": generator.normal(size=300), "k": generator.choice(["a", "b"], 300)})
    holes = before.assign(x=np.where(generator.random(300) < 0.7, np.nan, np.inf))
    new = before.assign(k=np.where(generator.random(300) < 0.7, "c", None))

    assert tell_frames_apart(before, holes, frozenset({"x"}), 1000).auc > 0.95
    told = tell_frames_apart(before, new, frozenset({"x"}), 1000)
    assert told.auc > 0.95
    assert next(iter(told.used)) == "k"
