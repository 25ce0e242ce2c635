"""Performance of every task, from training to the check; and of rows of a dataset without a service."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

LABELS = {"source": "labels", "column": "target"}


def rule(outcome, name):
    [found] = [rule for rule in outcome.verdict.rules if rule.rule == name]
    return found


def test_a_ranking_is_measured_by_request(trained, tmp_path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(1200, 2)), columns=["x", "z"]).assign(q=np.repeat(np.arange(200), 6))
    frame["target"] = np.clip(np.round(frame["x"] + random.normal(size=1200)) + 1, 0, 4).astype(int)
    frame.to_csv(tmp_path / "answers.csv", index=False)
    service = trained(tmp_path / "answers.csv", "sklearn.linear_model.Ridge", task="ranking", query="q")
    rows = service.rows.sort_values("q", kind="stable", ignore_index=True)
    ids = "r-" + rows["q"].astype(str)
    place = rows.groupby("q").cumcount()
    service.log(rows, request_id=ids, row=place.astype("int32").to_numpy())
    service.deliver(ids, rows["target"], row=place)
    gates = ["ndcg >= 0.95", "map >= 0.1"]

    _, outcome, _ = service.look(labels=LABELS, checks={"performance": gates})

    scored = rows.assign(score=service.model.predict(rows))
    expected = np.mean([
        metrics.ndcg_score([part["target"]], [part["score"]])
        for _, part in scored.groupby("q")
        if part["target"].max() > 0 and len(part) > 1
    ])  # fmt: skip
    assert outcome.metrics["ndcg"] == pytest.approx(expected)
    assert rule(outcome, "map >= 0.1").result == "passed"
    assert json.loads((service.report(outcome) / "report.json").read_text())["performance"]["importance"] is None


def test_several_labels_are_measured_from_the_log(trained, tmp_path):
    random = np.random.default_rng(2)
    frame = pd.DataFrame({"x": random.normal(size=900), "z": random.normal(size=900)})
    frame["hot"] = (frame["x"] + random.normal(size=900) > 0).astype(int)
    frame["wet"] = (frame["z"] + random.normal(size=900) > 1).astype(int)
    frame.to_csv(tmp_path / "days.csv", index=False)
    estimator = "sklearn.ensemble.RandomForestClassifier"
    service = trained(tmp_path / "days.csv", estimator, target=["hot", "wet"], parameters={"max_depth": 3}, seed=1)
    rows = service.rows
    predicted = service.model.predict(rows)
    ids = service.log(rows, prediction=list(predicted), probability=None)
    service.deliver(ids, [0] * len(ids), hot=rows["hot"].to_numpy(), wet=rows["wet"].to_numpy())
    gates = ["f1_micro >= 0.99", "estimated_f1_micro >= 0.5"]

    _, outcome, _ = service.look(
        labels={"source": "labels"}, checks={"performance": gates, "importance": {"severity": "fail"}}
    )

    expected = metrics.f1_score(rows[["hot", "wet"]], predicted, average="micro")
    assert rule(outcome, "f1_micro >= 0.99").value == pytest.approx(expected)
    assert rule(outcome, "estimated_f1_micro >= 0.5").result == "not_applicable"
    assert rule(outcome, "importance").result in {"passed", "not_applicable"}


def test_rows_of_a_dataset_are_measured_without_a_service(trained):
    service = trained("sklearn:diabetes", "sklearn.linear_model.Ridge")
    random = np.random.default_rng(3)
    chance = random.uniform(0.5, 1, 800)
    said = random.integers(0, 2, 800)
    truth = np.where(random.random(800) < chance, said, 1 - said)
    at = pd.Timestamp.now("UTC").floor("s") - pd.to_timedelta(np.arange(800), "s")
    frame = pd.DataFrame({"at": at, "said": said, "chance": chance, "truth": truth, "x": random.normal(size=800)})
    frame.to_parquet(service.bench.root / "rows.parquet")
    data = {
        "source": "rows.parquet",
        "timestamp": "at",
        "prediction": "said",
        "probability": "chance",
        "target": "truth",
        "task": "classification",
    }
    checks = {"performance": ["accuracy >= 0.9", "estimated_accuracy >= 0.5", "many <= 1"]}
    checks["business"] = {"many": "SELECT count(*) FROM predictions"}

    _, outcome, _ = service.look(data=data, checks=checks)

    assert outcome.metrics["accuracy"] == pytest.approx((said == truth).mean())
    assert outcome.metrics["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(truth, np.where(said == 1, chance, 1 - chance))
    )
    assert [one.result for one in outcome.verdict.rules] == ["failed", "not_applicable", "failed"]
