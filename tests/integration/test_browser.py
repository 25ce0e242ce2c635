"""What people do in Airflow's pages, in a real browser: fill the trigger form, answer a question, read the code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from mlops_provider.runtime.records import run_records
from mlops_provider.store.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

WORKFLOWS = Path(__file__).parents[1] / "workflows" / "language"
LOADED = 30_000
"""Milliseconds that a page may take."""


@pytest.fixture(scope="module")
def page(airflow, home):
    browser = shutil.which("chromium")
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed: .ci/system-packages should have done it")
        pytest.skip("chromium is not installed")
    for file in WORKFLOWS.iterdir():
        shutil.copyfile(file, home.workflows / file.name)
    airflow.wait_for_dag("full")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        context = running.new_context(viewport={"width": 1500, "height": 1400})
        context.add_cookies([{"name": "_token", "value": airflow.token("admin"), "url": airflow.url}])
        context.set_default_timeout(LOADED)
        yield context.new_page()
        running.close()


def test_the_trigger_form_and_a_question_are_filled_in_and_the_run_goes_on(airflow, home, page):
    before = {run["dag_run_id"] for run in airflow.runs("full")}
    page.goto(f"{airflow.url}/dags/full")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    assert form.get_by_text("Values that count where the fields below keep their defaults.").is_visible()
    form.get_by_role("spinbutton", name="threshold").fill("0.75")
    form.get_by_role("button", name="Trigger").click()
    page.wait_for_timeout(2000)
    [run_id] = {run["dag_run_id"] for run in airflow.runs("full")} - before

    airflow.wait_for_question("full", run_id, "trees.ask")
    page.goto(f"{airflow.url}/dags/full/runs/{run_id}/tasks/trees.ask/required_actions")
    page.get_by_role("spinbutton", name="depth").fill("2")
    page.get_by_role("button", name="Go on").click()

    assert airflow.wait_for_run("full", run_id)["state"] == "success"
    records = {record["phase"]: record for record in run_records(Store(home.store), "full", run_id)}
    assert records["trees"]["config"]["parameters"] == {"max_depth": 2}
    assert records["quality"]["verdict"]["rules"][0]["values"]["parameters.threshold"] == 0.75
    assert records["trees.ask"]["details"]["by"] == "admin"


def test_the_code_page_shows_the_workflow_file(airflow, page):
    page.goto(f"{airflow.url}/dags/full/code")

    page.get_by_text("include: [_shared.yaml]").first.wait_for()
