"""The verdict on a running service: beside its champion, in a soak, and when it misbehaves."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest

from mlops_provider.exceptions import ExpressionError, ServiceError
from mlops_provider.runtime.service_test.load import DEAD

BAYES = "sklearn.naive_bayes.GaussianNB"


def test_a_sound_service_passes_beside_its_champion(ground):
    champion = ground.version(estimator=BAYES)
    candidate = ground.version("run-2")
    url = ground.serve()
    ground.deploy(champion, f"{url}/flow/production", "production")
    service = ground.deploy(candidate, f"{url}/flow/staging")
    ground.wait(f"{url}/flow/production")
    ground.wait(service.url)
    gates = [
        "golden_mismatches == 0", "contract_failures == 0", "robustness_failures == 0", "error_rate == 0",
        "latency_p95_ms <= 50 * champion.latency_p95_ms", "error_rate_at_2 == 0", "soak_error_rate == 0",
        "memory_growth_mb < 200",
    ]  # fmt: skip

    outcome = ground.test(service, gates=gates, requests=60, concurrency=[2], soak="2s")

    assert outcome.verdict.status == "passed", outcome.summary
    rule = outcome.verdict.rules[4]
    assert rule.value == outcome.metrics["latency_p95_ms"]
    assert rule.baseline == outcome.metrics["champion.latency_p95_ms"] > 0
    assert rule.n == 60
    assert outcome.metrics["soak_requests"] > 20
    assert "the champion is version 1 of flow/production" in outcome.summary
    page = ground.report(outcome)
    for words in (
        "Answered within",
        "Latency of single rows",
        "Many at once",
        "Memory of the server",
        "champion (version 1)",
    ):
        assert words in page
    cases = json.loads(ground.report(outcome, "report.json"))["cases"]
    got = {case["name"]: case["got"] for case in cases}
    assert got["'mean radius' = a text"].startswith("422 Unprocessable")
    for way in ("invocations", "v2/models/flow/infer"):
        assert got[f"40 requests made from the OpenAPI document to /flow/staging/{way}"] == "documented answers"
    assert "'mean radius'" in got["'mean radius' = a text"]


def test_a_canary_is_tested_beside_the_version_with_most_of_the_traffic(ground):
    from mlops_provider.store.services import Change, now, set_weights

    champion = ground.version(estimator=BAYES)
    candidate = ground.version("run-2")
    url = ground.serve()
    ground.deploy(champion, f"{url}/flow/production", "production")
    change = Change(id="canary", action="weights", by="ana", at=now())
    set_weights(ground.bench.store, "flow", "production", {"1": 90, "2": 10}, change, models=[candidate])
    ground.wait(f"{url}/flow/production/v2/models/flow/versions/2")
    service = type(ground.deploy(candidate, "", "other"))(
        uri="x", digest=candidate.digest, name="flow/production", version="2", revision=2, url=f"{url}/flow/production"
    )

    outcome = ground.test(service)

    assert outcome.verdict.status == "passed", outcome.summary
    assert "the champion is version 1 of flow/production" in outcome.summary
    assert outcome.metrics["champion.error_rate"] == 0


def test_without_a_champion_its_gates_do_not_apply(ground):
    url, _ = ground.misbehave(lambda handler, _: handler.predict())

    outcome = ground.test(
        ground.deploy(ground.version(), url), gates=["latency_p95_ms <= 1.2 * champion.latency_p95_ms"]
    )

    assert outcome.verdict.status == "vacuous"
    assert "there is no champion to compare with yet" in outcome.verdict.rules[0].why


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (lambda handler, _: handler.say(500, b"boom"), "20 of 20 requests got 500 Internal Server Error"),
        (lambda handler, _: handler.say(429, b"busy"), "20 of 20 requests got 429 Too Many Requests"),
        (lambda handler, _: handler.say(200, b"<html>"), "20 of 20 requests got 200, but what came is no JSON"),
        (lambda handler, _: handler.say(200, b"[1]"), "20 of 20 requests got 200, but what came is no JSON"),
        (lambda handler, _: handler.say(200, b'{"predictions": []}'), "20 of 20 requests got 200, but 0 predictions"),
        (
            lambda handler, _: handler.say(200, b'{"predictions": [NaN]}'),
            "20 of 20 requests got 200, but a prediction is NaN",
        ),
        (
            lambda handler, number: handler.predict() if number % 4 else handler.say(503, b"away"),
            "5 of 20 requests got 503 Service Unavailable",
        ),
    ],
    ids=["500", "429", "html", "no object", "none", "nan", "now and then"],
)
def test_a_service_that_misbehaves_is_blocked_with_what_it_said(ground, behave, said):
    url, _ = ground.misbehave(behave)

    outcome = ground.test(ground.deploy(ground.version(), url), gates=["error_rate == 0", "latency_p95_ms < 100"])

    assert outcome.verdict.status == "blocked"
    assert said in outcome.verdict.rules[0].why
    assert said.partition("got")[2] in ground.report(outcome)


def test_a_service_that_breaks_its_own_document_is_blocked(ground):
    numbers = {"type": "array", "items": {"type": "number"}}
    schema = {"type": "object", "required": ["predictions", "cost"], "properties": {"predictions": numbers}}
    answers = {"200": {"description": "right", "content": {"application/json": {"schema": schema}}}}
    body = {"content": {"application/json": {"schema": {"type": "object"}}}}
    ways = {"/invocations": {"post": {"requestBody": body, "responses": answers}}}
    document = {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": ways}

    def behave(handler, _):
        with suppress(TypeError, KeyError, ValueError):
            return handler.predict()
        return handler.say(200, b"{}")

    url, _ = ground.misbehave(behave, document)

    outcome = ground.test(ground.deploy(ground.version(), url), gates=["contract_failures == 0"])

    cases = json.loads(ground.report(outcome, "report.json"))["cases"]
    [made] = [case for case in cases if "OpenAPI" in case["name"]]
    assert outcome.verdict.status == "blocked"
    assert made["name"] == "1 requests made from the OpenAPI document to /invocations"
    assert not made["passed"]
    assert "Response violates schema" in made["got"]


def test_a_slow_service_is_an_error_and_ends_in_time(ground):
    url, _ = ground.misbehave(lambda handler, _: (time.sleep(0.4), handler.predict()))
    service = ground.deploy(ground.version(), url)

    outcome = ground.test(service, answer_within="100ms", gates=["error_rate == 0", "latency_p95_ms < 100"])

    assert "no answer within 0.1 s" in outcome.verdict.rules[0].why
    assert "latency_p95_ms could not be measured" in outcome.verdict.rules[1].why
    assert outcome.verdict.status == "blocked"


@pytest.mark.kill
def test_a_service_that_dies_in_the_middle_is_said_with_when(ground):
    candidate = ground.version()
    url = ground.serve()
    service = ground.deploy(candidate, f"{url}/flow/staging")
    ground.wait(service.url)
    import threading

    threading.Timer(1.5, ground.process.kill).start()

    outcome = ground.test(service, requests=100_000, gates=["error_rate == 0", "error_rate_at_8 == 0"])

    why = outcome.verdict.rules[0].why
    assert "the service stopped answering after" in why
    assert round(outcome.metrics["error_rate"] * outcome.verdict.rules[0].n) == DEAD
    assert "error_rate_at_8 could not be measured" in outcome.verdict.rules[1].why
    assert "the service does not answer" in outcome.summary


def test_a_service_that_never_answered_may_be_tried_again(ground):
    service = ground.deploy(ground.version(), "http://127.0.0.1:1")

    with pytest.raises(ServiceError, match="does not answer") as failure:
        ground.test(service)

    assert failure.value.retryable


def test_the_measurement_ends_when_its_time_is_up(ground):
    url, _ = ground.misbehave(lambda handler, _: (time.sleep(0.02), handler.predict()))

    outcome = ground.test(
        ground.deploy(ground.version(), url), requests=100_000, within="1s", gates=["error_rate == 0"]
    )

    assert "after 1 s" in outcome.summary
    assert "of 100,000 requests were made" in outcome.summary


def test_a_gate_on_what_is_no_metric_is_a_mistake(ground):
    url, _ = ground.misbehave(lambda handler, _: handler.predict())

    with pytest.raises(ExpressionError, match="latncy_p95_ms"):
        ground.test(ground.deploy(ground.version(), url), gates=["latncy_p95_ms < 3"])
