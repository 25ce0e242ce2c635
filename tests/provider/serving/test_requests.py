"""What the server answers: right predictions for every form of body, and 4xx with a reason for every wrong one."""

from __future__ import annotations

import json

import httpx
import numpy as np
import pytest

from mlops_provider.store.models import load_model
from mlops_provider.store.services import read_service


@pytest.fixture(scope="module")
def client(shared):
    with httpx.Client(base_url=f"{shared.servers[0].url}/tumour/production", timeout=30) as client:
        yield client
        assert client.get(shared.servers[0].url + "/health").status_code == 200  # it lives through all of this


@pytest.fixture(scope="module")
def staging(shared):
    with httpx.Client(base_url=f"{shared.servers[0].url}/tumour/staging", timeout=30) as client:
        yield client


def expected(shared, frame, environment="production"):
    model = load_model(shared.store, read_service(shared.store, "tumour", environment).primary.model)
    return model.predict(frame), model.probabilities(frame)


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "named instances", "inputs"])
def test_every_form_of_mlflows_body_gives_the_models_predictions(shared, client, tumours, form):
    rows = tumours.drop(columns="target").iloc[100:130]
    bodies = {
        "dataframe_split": shared.body(rows),
        "dataframe_records": {"dataframe_records": rows.to_dict("records")},
        "instances": {"instances": rows.to_numpy().tolist()},
        "named instances": {"instances": rows.to_dict("records")},
        "inputs": {"inputs": rows.to_dict("list")},
    }

    answer = client.post("/invocations", json=bodies[form])

    assert answer.json() == {"predictions": expected(shared, rows)[0].tolist()}


def test_columns_are_matched_by_name_whatever_their_order(shared, client, tumours):
    rows = tumours.drop(columns="target").iloc[100:200]

    backwards = client.post("/invocations", json=shared.body(rows[rows.columns[::-1]]))

    assert backwards.json()["predictions"] == expected(shared, rows)[0].tolist()
    assert len(set(backwards.json()["predictions"])) == 2


@pytest.mark.parametrize("shape", ["one tensor per feature", "one tensor", "nested"])
def test_open_inference_protocol(shared, client, tumours, shape):
    rows = tumours.drop(columns="target").iloc[:7]
    flat = rows.to_numpy().ravel().tolist()
    tensor = {"name": "rows", "datatype": "FP64", "shape": [7, 30]}
    inputs = {
        "one tensor per feature": [
            {"name": name, "datatype": "FP64", "shape": [7], "data": rows[name].tolist()} for name in rows
        ],
        "one tensor": [{**tensor, "data": flat}],
        "nested": [{**tensor, "data": rows.to_numpy().tolist()}],
    }

    answer = client.post("/v2/models/tumour/versions/1/infer", json={"id": "abc", "inputs": inputs[shape]})

    predictions, probabilities = expected(shared, rows)
    content = answer.json()
    assert (content["model_name"], content["model_version"], content["id"]) == ("tumour", "1", "abc")
    outputs = {output["name"]: output for output in content["outputs"]}
    assert outputs["predict"]["data"] == predictions.tolist()
    assert outputs["predict"]["datatype"] == "INT64"
    assert outputs["probabilities"]["shape"] == [7, 2]
    np.testing.assert_allclose(np.reshape(outputs["probabilities"]["data"], (7, 2)), probabilities, rtol=1e-12)
    assert answer.headers["x-request-id"] == "abc"


def test_text_truth_values_and_missing_numbers(shared, staging, words):
    rows = words.drop(columns="target").head(60)
    assert rows["mean texture"].isna().any()

    answer = staging.post("/invocations", json=shared.body(rows))

    assert answer.json()["predictions"] == expected(shared, rows, "staging")[0].tolist()


def test_null_is_a_missing_number(shared, client, tumours):
    rows = tumours.drop(columns="target").head(3)
    body = shared.body(rows)
    body["dataframe_split"]["data"][1][4] = None
    rows = rows.copy()
    rows.iloc[1, 4] = np.nan

    answer = client.post("/invocations", json=body)

    assert answer.json()["predictions"] == expected(shared, rows)[0].tolist()


def wrong_bodies():
    columns = [f"c{i}" for i in range(30)]
    row = [1.0] * 30
    tensor = {"name": "rows", "datatype": "FP64", "shape": [1, 30], "data": row}
    deep = b'{"inputs": [{"name": "a", "shape": [1], "data": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}]}"
    return {
        "empty": ("invocations", b"", 400, "empty"),
        "malformed": ("invocations", b'{"instances": [', 400, "not JSON"),
        "a NaN": ("invocations", b'{"instances": [[NaN]]}', 400, "not JSON"),
        "not UTF-8": ("invocations", b'{"instances": "\xff\xfe"}', 400, "not JSON"),
        "too deep": ("invocations", b"[" * 5000 + b"]" * 5000, 400, "not JSON"),
        "a list": ("invocations", [], 422, "not a JSON object"),
        "no known key": ("invocations", {"rows": []}, 422, "rows"),
        "two keys": ("invocations", {"instances": [], "inputs": []}, 422, "instances, inputs"),
        "no rows": ("invocations", {"instances": []}, 422, "no rows"),
        "no columns at all": ("invocations", {"inputs": {}}, 422, "no rows"),
        "a short row": ("invocations", {"instances": [row, row[1:]]}, 422, "instances[1] has 29 values"),
        "a row that is no list": ("invocations", {"instances": [row, 5]}, 422, "instances[1] has no list"),
        "rows and records": ("invocations", {"dataframe_records": [{"a": 1}, 5]}, 422, "[1] is not an object"),
        "records that differ": ("invocations", {"instances": [{"a": 1}, {"b": 1}]}, 422, "a, b"),
        "unknown columns": (
            "invocations",
            {"dataframe_split": {"columns": columns, "data": [row]}},
            422,
            "unknown: c0, c1",
        ),
        "data that is no table": ("invocations", {"dataframe_split": 5}, 422, "dataframe_split"),
        "columns of two lengths": ("invocations", {"inputs": {"a": [1], "b": [1, 2]}}, 422, "differ in length"),
        "a text": ("invocations", {"instances": [[*row[1:], "1.5"]]}, 422, "row 0, 'worst fractal dimension': '1.5'"),
        "a truth value": ("invocations", {"instances": [[True, *row[1:]]]}, 422, "row 0, 'mean radius': 'True'"),
        "a list as value": ("invocations", {"instances": [[[1], *row[1:]]]}, 422, "row 0, 'mean radius'"),
        "lists as values": ("invocations", {"instances": [[[1.0]] * 30] * 2}, 422, "row 0, 'mean radius'"),
        "an object as value": ("invocations", {"instances": [[{}, *row[1:]]]}, 422, "row 0, 'mean radius'"),
        "an endless number": ("invocations", b'{"instances": [[1e999' + b",1" * 29 + b"]]}", (400, 422), ""),
        "a huge integer": ("invocations", b'{"instances": [[' + b"9" * 400 + b",1" * 29 + b"]]}", (400, 422), ""),
        "no tensors": ("v2/models/tumour/infer", {"inputs": []}, 422, "inputs"),
        "a tensor of another width": (
            "v2/models/tumour/infer",
            {"inputs": [{**tensor, "shape": [1, 29], "data": row[1:]}]},
            422,
            "[n, 30]",
        ),
        "a tensor that is too short": (
            "v2/models/tumour/infer",
            {"inputs": [{**tensor, "data": row[1:]}]},
            422,
            "has 29 values",
        ),
        "a shape that is none": ("v2/models/tumour/infer", {"inputs": [{**tensor, "shape": 5}]}, 422, "shape"),
        "a shape of texts": ("v2/models/tumour/infer", {"inputs": [{**tensor, "shape": ["a"]}]}, 422, "shape"),
        "a name that is none": ("v2/models/tumour/infer", {"inputs": [{**tensor, "name": []}]}, 422, "name"),
        "nested for ever": ("v2/models/tumour/infer", deep, (400, 422), ""),
        "an unknown tensor": ("v2/models/tumour/infer", {"inputs": [{**tensor, "shape": [30]}]}, 422, "unknown: rows"),
        "an id with a path": ("v2/models/tumour/infer", {"id": "../../x", "inputs": [tensor]}, 422, "request id"),
        "an id that is a number": ("v2/models/tumour/infer", {"id": 5, "inputs": [tensor]}, 422, "request id"),
        "another model": ("v2/models/other/infer", {"inputs": [tensor]}, 404, "other"),
        "another version": ("v2/models/tumour/versions/9/infer", {"inputs": [tensor]}, 404, "version 9"),
    }


@pytest.mark.parametrize("case", wrong_bodies())
def test_a_wrong_request_is_answered_with_what_is_wrong(client, case):
    path, body, status, words = wrong_bodies()[case]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    answer = client.post(path, content=content)

    statuses = status if isinstance(status, tuple) else (status,)
    assert answer.status_code in statuses, answer.text
    assert words in answer.json()["error"]


def test_missing_and_unknown_features_are_named(shared, client, tumours):
    rows = tumours.drop(columns=["target", "mean area"]).head(1).assign(weight=3)

    error = client.post("/invocations", json=shared.body(rows)).json()

    assert "missing: mean area" in error["error"]
    assert "unknown: weight" in error["error"]
    assert "it takes 30" in error["hint"]


def test_a_wrong_type_of_text_is_named(shared, staging, words):
    body = shared.body(words.head(2))
    body["dataframe_split"]["data"][1][2] = 7

    error = staging.post("/invocations", json=body)

    assert error.status_code == 422
    assert "row 1, 'size': '7' is not of type string" in error.json()["error"]


def test_a_body_of_more_than_ten_megabytes_is_refused(client):
    def chunks():
        for _ in range(12):
            yield b" " * 1024 * 1024

    announced = client.post("/invocations", content=b" " * (11 * 1024 * 1024))
    streamed = client.post("/invocations", content=chunks())

    assert announced.status_code == streamed.status_code == 413
    assert "10,485,760" in announced.json()["error"]


def test_a_request_id_is_given_back_or_made(shared, client, tumours):
    body = shared.body(tumours.head(1))

    given = client.post("/invocations", json=body, headers={"X-Request-Id": "order-17_a.b"})
    made = [client.post("/invocations", json=body).headers["x-request-id"] for _ in range(2)]
    bad = client.post("/invocations", json=body, headers={"X-Request-Id": "a/b"})
    long = client.post("/invocations", json=body, headers={"X-Request-Id": "a" * 65})

    assert given.headers["x-request-id"] == "order-17_a.b"
    assert made[0] != made[1]
    assert bad.status_code == long.status_code == 422


def test_the_routes_that_describe(shared, client):
    root = shared.servers[0].url

    description = client.get("/v2/models/tumour").json()
    paths = ["/health", "/ready", "/v2", "/v2/health/live", "/tumour/production/v2/health/ready"]

    assert description["versions"] == ["1"]
    assert description["inputs"][0] == {"name": "mean radius", "datatype": "FP64", "shape": [-1]}
    assert [output["name"] for output in description["outputs"]] == ["predict", "probabilities"]
    assert [httpx.get(root + path).status_code for path in paths] == [200] * 5
    assert client.get("/v2/models/tumour/ready").status_code == 200
    assert client.get("/v2/models/other/ready").status_code == 404
    assert httpx.get(f"{root}/nobody/production/ready").status_code == 404
    assert httpx.post(f"{root}/invocations", json={}).status_code == 404


def test_metrics_count_requests_rows_and_the_model(shared, client, tumours):
    client.post("/invocations", json=shared.body(tumours.head(40)))
    client.post("/invocations", content=b"{")

    text = httpx.get(shared.servers[0].url + "/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    who = 'role="primary",service="tumour/production"'
    assert float(values[f'mlops_rows_total{{{who},version="1"}}']) >= 40
    assert float(values['mlops_requests_total{role="",service="tumour/production",status="400",version=""}']) >= 1
    assert float(values[f'mlops_request_seconds_count{{{who},version="1"}}']) >= 1
    assert float(values["mlops_log_dropped_rows_total"]) == 0
    info = [name for name in values if name.startswith("mlops_model_info")]
    assert len(info) == 2
    assert any('service="tumour/staging",version="2"' in name for name in info)
