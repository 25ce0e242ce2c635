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


APPROVED = """
workflow: shown
roles: {reviewer: {users: [rita, una, reviewer], links: {una: mail}}}
notify: [{on: "approval:waiting", to: role:reviewer}]
phases:
  rows: {type: ingest, source: "sklearn:iris"}
  parts: {type: split, data: rows, stratify: target}
  model: {type: train, data: parts.train, target: target, estimator: sklearn.naive_bayes.GaussianNB}
  quality: {type: evaluate, model: model, data: parts.test, gates: ["accuracy > 0.5"], evidently: false}
  version: {type: register, model: model, after: quality}
  approval: {type: approve, roles: reviewer, approvals: 3, after: version}
"""


@pytest.fixture(scope="module")
def waits(airflow, home):
    (home.workflows / "shown.yaml").write_text(APPROVED)
    airflow.wait_for_dag("shown")
    run_id = airflow.trigger("shown")
    airflow.wait_for_question("shown", run_id, "approval")
    return run_id


def test_people_decide_on_the_page_with_the_evidence_and_by_their_link(airflow, mailbox, page, waits):
    browser = page.context.browser
    rita = browser.new_context(viewport={"width": 1200, "height": 1500})
    rita.add_cookies([{"name": "_token", "value": airflow.token("rita"), "url": airflow.url}])
    hers = rita.new_page()
    hers.goto(f"{airflow.url}/plugin/approvals")
    frame = hers.frame_locator("iframe")
    frame.get_by_role("link", name="Release shown version").click()
    frame.get_by_role("button", name="Reject as rita").wait_for()
    shot(hers, "inside")
    frame.get_by_role("button", name="Reject as rita").click()
    frame.get_by_role("alert").get_by_text("a rejection needs a reason").wait_for()
    frame.get_by_label("Reason").fill("as good as the numbers say")
    frame.get_by_role("button", name="Approve as rita").click()
    frame.get_by_text("1 of 3 approved").wait_for()
    assert frame.get_by_text("You have approved it").is_visible()
    assert frame.get_by_role("button").count() == 0

    reviewer = browser.new_context(viewport={"width": 1200, "height": 1500})
    reviewer.add_cookies([{"name": "_token", "value": airflow.token("reviewer"), "url": airflow.url}])
    his = reviewer.new_page()
    his.goto(f"{airflow.url}/dags/shown/runs/{waits}/tasks/approval/required_actions")
    his.get_by_role("link", name="The evidence, and who has decided").wait_for()
    shot(his, "airflow")
    with his.expect_response(lambda response: response.request.method == "PATCH"):
        his.get_by_role("button", name="Approve").click()
    airflow.wait_for_question("shown", waits, "approval")

    [link] = [m["link"] for _, m in mailbox.messages if m.get("run") == waits and "link" in m]
    una = browser.new_context(viewport={"width": 1200, "height": 1500}, color_scheme="dark").new_page()
    una.goto(link)
    assert una.get_by_text("as good as the numbers say").is_visible()
    shot(una, "link")
    una.get_by_role("button", name="Approve as una").click()
    una.get_by_text("It was approved by rita, reviewer, una").wait_for()
    shot(una, "done")

    assert airflow.wait_for_run("shown", waits)["state"] == "success"


def shot(page, name):
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
