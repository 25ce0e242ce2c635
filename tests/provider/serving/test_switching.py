"""Servers follow the deployment record: they switch without dropping a request, and refuse what they cannot trust."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest

from mlops_provider.exceptions import ServiceError, ServiceFailedError
from mlops_provider.store.model_file import MODEL_FILE
from mlops_provider.store.models import load_model
from mlops_provider.store.service_reports import live_reports, wait_until_ready

SERVICE = ("tumour", "production")


def ask(server, yard, rows, path="/invocations"):
    return httpx.post(server.url + path, json=yard.body(rows), timeout=10)


def test_a_new_version_takes_over_under_load_without_a_dropped_request(yard, tumours):
    first, second = yard.publish(tumours, "1"), yard.publish(tumours, "2", seed=3)
    rows = tumours.drop(columns="target").iloc[:40]
    allowed = {tuple(load_model(yard.store, model).predict(rows).tolist()) for model in (first, second)}
    probabilities = {
        round(float(load_model(yard.store, model).probabilities(rows)[0, 0]), 9): model.version
        for model in (first, second)
    }
    assert len(probabilities) == 2
    yard.deploy(first)
    server = yard.serve(yard.name)
    server.wait()
    tensor = {"name": "rows", "datatype": "FP64", "shape": list(rows.shape), "data": rows.to_numpy().ravel().tolist()}
    answers, failures, stop = [], [], threading.Event()

    def load():
        with httpx.Client(timeout=10) as client:
            while not stop.is_set():
                answer = client.post(f"{server.url}/v2/models/tumour/infer", json={"inputs": [tensor]})
                if answer.status_code != 200:
                    failures.append(answer.text)
                    return
                content = answer.json()
                answers.append((content["model_version"], *(output["data"] for output in content["outputs"])))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for model in (second, first, second):
        time.sleep(0.5)
        yard.deploy(model)
        server.wait_for_version(model.version)
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(answers) > 100
    versions = [version for version, *_ in answers]
    assert set(versions) == {"1", "2"}
    assert versions[-1] == "2"
    for version, predictions, scores in answers:
        assert tuple(predictions) in allowed
        assert probabilities[round(scores[0], 9)] == version  # never one version's name on the other's answer
    server.stop()
    logged = yard.logged()
    assert logged.groupby("version").request_id.nunique().to_dict() == {
        version: versions.count(version) for version in ("1", "2")
    }


def test_a_model_that_fails_its_golden_rows_does_not_replace_the_one_that_answers(yard, tumours):
    good, bad = yard.publish(tumours, "1"), yard.publish(tumours, "2", seed=2, wrong_golden=True)
    yard.deploy(good)
    server = yard.serve(yard.name)
    server.wait()

    broken = yard.deploy(bad)
    with pytest.raises(ServiceFailedError) as failure:
        wait_until_ready(yard.store, broken, bad.digest, timeout=20)

    assert "golden row 3 gives" in str(failure.value)
    assert not failure.value.retryable
    assert ask(server, yard, tumours.head(2)).status_code == 200
    assert server.wait().json()["services"] == {"tumour/production": "1"}
    statuses = {version: said["status"] for version, said in live_reports(yard.store, *SERVICE)[0].versions.items()}
    assert statuses == {"1": "ready", "2": "failed"}

    again = yard.deploy(good)  # and the same bad one, once mended, gets a new chance
    wait_until_ready(yard.store, again, good.digest, timeout=20)
    assert list(live_reports(yard.store, *SERVICE)[0].versions) == ["1"]


def test_a_model_whose_bytes_were_changed_is_not_loaded(yard, tumours):
    model = yard.publish(tumours, "1")
    file = Path(model.uri) / MODEL_FILE
    file.write_bytes(file.read_bytes()[:-1] + b" ")
    service = yard.deploy(model)
    server = yard.serve(yard.name)

    answer = server.wait(status=503)
    with pytest.raises(ServiceFailedError, match="has digest"):
        wait_until_ready(yard.store, service, model.digest, timeout=20)

    answer = server.wait(status=503)
    assert "has digest" in answer.json()["hint"]
    assert ask(server, yard, tumours.head(1)).status_code == 503
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_without_a_server_the_wait_says_how_to_start_one(yard, tumours):
    model = yard.publish(tumours)
    service = yard.deploy(model)

    with pytest.raises(ServiceError, match="no model server follows tumour/production") as failure:
        wait_until_ready(yard.store, service, model.digest, timeout=0.5)

    assert "mlops serve tumour/production" in failure.value.hint
    assert failure.value.retryable


@pytest.mark.kill
def test_a_killed_server_comes_back_with_the_version_it_had(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name)
    server.wait()
    before = ask(server, yard, tumours.head(20)).json()
    server.kill()
    assert len(live_reports(yard.store, *SERVICE)) == 1  # it could not take its report back

    second = yard.serve(yard.name)
    second.wait()

    assert ask(second, yard, tumours.head(20)).json() == before


def test_a_store_that_is_away_does_not_stop_the_server(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name)
    server.wait()
    root = Path(yard.store.url)
    aside = root.with_name("away")
    root.rename(aside)
    root.write_text("not a folder")  # nothing can be read or written below it

    time.sleep(1.5)
    answers = [ask(server, yard, tumours.head(3)).status_code for _ in range(5)]
    time.sleep(1.5)
    dropped = httpx.get(f"{server.url}/metrics").text

    assert answers == [200] * 5
    assert "mlops_log_dropped_rows_total 15.0" in dropped
    root.unlink()
    aside.rename(root)
    second = yard.publish(tumours, "2", seed=2)
    wait_until_ready(yard.store, yard.deploy(second), second.digest, timeout=20)


def test_one_server_for_all_services_finds_new_ones_while_it_runs(yard, tumours, words):
    server = yard.serve()
    server.wait()
    yard.deploy(yard.publish(tumours))
    server.wait("/tumour/production/ready")
    yard.deploy(yard.publish(words, "7"), environment="staging")
    server.wait("/tumour/staging/ready")

    first = ask(server, yard, tumours.head(2), "/tumour/production/invocations")
    second = ask(server, yard, words.head(2), "/tumour/staging/invocations")

    assert len(first.json()["predictions"]) == len(second.json()["predictions"]) == 2
    urls = [live_reports(yard.store, "tumour", environment)[0].url for environment in ("production", "staging")]
    assert urls == [f"{server.url}/tumour/production", f"{server.url}/tumour/staging"]
    assert server.wait().json()["services"] == {"tumour/production": "1", "tumour/staging": "7"}


def test_a_clean_stop_takes_the_report_back_and_ends_with_success(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name)
    server.wait()
    deadline = time.monotonic() + 5
    while not live_reports(yard.store, *SERVICE) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert live_reports(yard.store, *SERVICE)

    assert server.stop() == 0

    assert live_reports(yard.store, *SERVICE) == []


def test_a_token_guards_predictions_but_not_health(yard, tumours, tmp_path):
    yard.deploy(yard.publish(tumours))
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    server = yard.serve(yard.name, "--token-file", str(secret))
    server.wait()
    body = yard.body(tumours.head(1))

    def post(path="/invocations", **headers):
        return httpx.post(server.url + path, json=body, headers=headers).status_code

    assert post() == post(authorization="Bearer wrong") == post("/v2/models/tumour/infer") == 401
    assert post(authorization="Bearer s3cret") == 200
    assert httpx.get(f"{server.url}/v2/models/tumour").status_code == 401
    assert [httpx.get(server.url + path).status_code for path in ("/health", "/ready", "/metrics")] == [200] * 3


def test_a_port_that_is_taken_is_said(yard):
    server = yard.serve()
    server.wait("/health")

    second = yard.serve("--port", str(server.port))
    code = second.process.wait(30)

    assert code == 1
    assert "cannot be listened on" in second.log.read_text()
