"""A fleet on a real Airflow: an item that is blocked and one that fails keep no other from its gate and its version."""

from __future__ import annotations

import json
from urllib.parse import urljoin

import httpx
import pytest

from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.records import run_records
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

SMALL = """
workflow: small_fleet
phases:
  rows: {type: ingest, source: "sklearn:digits"}
  parts: {type: split, data: rows, stratify: target}
  model:
    type: train
    foreach: {depth: [1, 8, 12, -3]}
    retries: 0
    data: parts.train
    target: target
    estimator: sklearn.tree.DecisionTreeClassifier
    parameters: {max_depth: "{{ item.depth }}"}
  quality:
    type: evaluate
    foreach: {depth: [1, 8, 12, -3]}
    model: model
    data: parts.test
    name: "small_fleet-{{ item.depth }}"
    gates: ["accuracy >= 0.7"]
    slices: none
  version:
    type: register
    foreach: {depth: [1, 8, 12, -3]}
    model: model
    name: "small_fleet-{{ item.depth }}"
    after: quality
"""


def test_items_are_judged_apart_and_summed_up_on_one_page(airflow, home):
    (home.workflows / "small_fleet.yaml").write_text(SMALL)
    airflow.wait_for_dag("small_fleet")

    run_id = airflow.trigger("small_fleet")
    assert airflow.wait_for_run("small_fleet", run_id)["state"] == "success"

    store = Store(home.store)
    records = {record["phase"]: record for record in run_records(store, "small_fleet", run_id)}
    assert {name for name in records if name.startswith("version")} == {"version@8", "version@12", "version.summary"}
    summary = records["version.summary"]
    assert summary["metrics"] == {
        "items": 4, "succeeded": 2, "passed": 2, "blocked": 1, "failed": 1, "skipped": 0,
    }  # fmt: skip
    report = store.open(ref_from_dict(summary["outputs"]["report"]))
    items = {item["label"]: item for item in json.loads((report.folder / "report.json").read_text())["items"]}
    assert list(items) == ["-3", "1", "8", "12"] or list(items) == ["-3", "1", "12", "8"]
    assert items["-3"]["why"].startswith("model: ")
    assert "accuracy >= 0.7 does not hold" in items["1"]["why"]
    assert (items["8"]["name"], items["8"]["version"]) == ("small_fleet-8", "1")
    path = f"/dags/small_fleet/dagRuns/{run_id}/taskInstances/version/links?map_index="
    links = [airflow.call("GET", f"{path}{place}")["extra_links"]["Phase record"] for place in (1, 2)]
    headers = {"Authorization": f"Bearer {airflow.token('admin')}"}
    pages = [httpx.get(urljoin(airflow.url, link), headers=headers, timeout=30).json() for link in links]
    assert [page[0]["phase"] for page in pages] == ["version@8", "version@12"]
