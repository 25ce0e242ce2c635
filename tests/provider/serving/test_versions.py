"""Several versions at once: a canary has its share, a shadow is never heard, an alternate answers for what cannot."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from scipy.stats import chisquare

from mlops_provider.store.models import load_model
from mlops_provider.store.service_reports import live_reports, wait_until_ready
from mlops_provider.store.services import Change, now, set_alternate, set_shadow, set_weights

SERVICE = ("tumour", "production")


def change(name, action="weights"):
    return Change(id=name, action=action, by="tests", at=now())


def metrics(server):
    text = httpx.get(f"{server.url}/metrics", timeout=10).text
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


@pytest.mark.timeout(200)
def test_a_canary_gets_its_share_and_clients_stay_where_they_are(yard, tumours):
    first, second = yard.publish(tumours, "1"), yard.publish(tumours, "2", seed=3)
    yard.deploy(first)
    server = yard.serve(yard.name)
    server.wait()
    body = yard.body(tumours.head(1))
    service = set_weights(yard.store, *SERVICE, {"1": 75, "2": 25}, change("canary"), models=[second])
    wait_until_ready(yard.store, service, second.digest, timeout=60)

    def ask(client, **headers):
        answer = client.post(f"{server.url}/invocations", json=body, headers=headers)
        assert answer.status_code == 200
        return answer.headers["x-model-version"]

    with httpx.Client(timeout=30) as client:
        clients = [f"client-{i}" for i in range(600)]
        once = [ask(client, **{"X-Entity-Id": name}) for name in clients]
        again = [ask(client, **{"X-Entity-Id": name}) for name in clients[:100]]
    server.stop()

    counted = Counter(once)
    assert chisquare([counted["1"], counted["2"]], [450, 150]).pvalue > 0.001
    assert again == once[:100]
    logged = yard.logged()
    by_client = logged.groupby("entity_id").version.nunique()
    assert by_client.max() == 1
    assert Counter(logged.version) == Counter(once) + Counter(again)
    assert set(zip(logged.version, logged.role, strict=True)) == {("1", "primary"), ("2", "canary")}


@pytest.mark.timeout(200)
def test_a_shadow_is_asked_compared_and_never_returned(yard, tumours, words):
    first, second = yard.publish(tumours, "1"), yard.publish(tumours, "2", seed=3)
    other = yard.publish(words, "3")  # takes other features: it fails on every request, and nobody notices
    yard.deploy(first)
    server = yard.serve(yard.name)
    server.wait()
    rows = tumours.drop(columns="target")
    expected = load_model(yard.store, first).predict(rows)
    different = int((load_model(yard.store, second).predict(rows) != expected).sum())
    assert different

    def everything():
        answers = []
        for start in range(0, len(rows), 50):
            answer = httpx.post(f"{server.url}/invocations", json=yard.body(rows[start : start + 50]), timeout=30)
            answers += answer.json()["predictions"]
        return answers

    service = set_shadow(yard.store, *SERVICE, second, change("shadow", "shadow"))
    wait_until_ready(yard.store, service, second.digest, timeout=60)
    heard = everything()
    service = set_shadow(yard.store, *SERVICE, other, change("other", "shadow"))
    wait_until_ready(yard.store, service, other.digest, timeout=60)
    heard_again = everything()
    time.sleep(0.5)
    counted = metrics(server)
    server.stop()

    assert heard == heard_again == expected.tolist()
    labels = 'service="tumour/production",version="2"'
    assert counted[f"mlops_shadow_rows_total{{{labels}}}"] == len(rows)
    assert counted[f"mlops_shadow_differing_rows_total{{{labels}}}"] == different
    assert counted['mlops_shadow_errors_total{service="tumour/production",version="3"}'] == 12
    logged = yard.logged()
    failed, logged = logged[logged.status != 200], logged[logged.status == 200]
    assert Counter(zip(failed.role, failed.version, strict=True)) == {("shadow", "3"): 12}
    assert Counter(logged.role) == {"primary": 2 * len(rows), "shadow": len(rows)}
    pairs = logged[logged.role == "shadow"].merge(
        logged[logged.role == "primary"], on=["request_id", "row"], suffixes=("", "_heard")
    )
    assert len(pairs) == len(rows)
    assert int((pairs.prediction != pairs.prediction_heard).sum()) == different


@pytest.mark.timeout(200)
def test_a_server_that_starts_with_a_broken_version_lets_the_alternate_answer(yard, tumours):
    good, bad = yard.publish(tumours, "1"), yard.publish(tumours, "2", seed=2, wrong_golden=True)
    yard.deploy(good)
    yard.deploy(bad)
    set_alternate(yard.store, *SERVICE, good, change("alternate", "alternate"))

    server = yard.serve(yard.name)
    server.wait()
    answer = httpx.post(f"{server.url}/invocations", json=yard.body(tumours.head(2)), timeout=30)
    server.stop()

    assert answer.headers["x-model-version"] == "1"
    assert set(yard.logged().role) == {"fallback"}


@pytest.mark.timeout(200)
def test_a_damaged_record_leaves_what_answers_and_a_new_server_takes_the_last_sound_one(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name)
    server.wait()
    (Path(yard.store.url) / "tumour/services/production/record/0000000002.json").write_text('{"versions": [')

    deadline = time.monotonic() + 20
    while not any(report.trouble for report in live_reports(yard.store, *SERVICE)) and time.monotonic() < deadline:
        time.sleep(0.1)
    [report] = live_reports(yard.store, *SERVICE)
    second = yard.serve(yard.name)
    second.wait()

    assert "0000000002.json is damaged" in report.trouble
    for running in (server, second):
        answer = httpx.post(f"{running.url}/invocations", json=yard.body(tumours.head(2)), timeout=30)
        assert answer.status_code == 200
    third = yard.publish(tumours, "3", seed=3)  # mended: the servers go on
    (Path(yard.store.url) / "tumour/services/production/record/0000000002.json").unlink()
    wait_until_ready(yard.store, yard.deploy(third), third.digest, timeout=60)
