"""Every prediction is in the log exactly once, with its types; a log that cannot be written fails no request."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_provider.exceptions import StoreError
from mlops_provider.runtime.predictions import read_window
from mlops_provider.serving.model import load_served
from mlops_provider.serving.payload import Rows
from mlops_provider.serving.prediction_log import QUEUE_ROWS, Entry, PredictionLog
from mlops_provider.store.models import load_model
from mlops_provider.store.services import read_service


@pytest.fixture
def served(yard, tumours):
    yard.deploy(yard.publish(tumours))
    return load_served(yard.store, read_service(yard.store, "tumour", "production").primary)


def entry(served, frame, request_id="a"):
    rows = frame.drop(columns="target")
    answer = served.predict(Rows(list(rows.columns), rows.to_numpy().tolist()))
    return Entry(
        served, "tumour", "production", request_id, datetime(2026, 5, 4, 3, tzinfo=UTC).timestamp(), 1.5, answer
    )


def test_every_prediction_is_logged_exactly_once_after_a_stop(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name)
    server.wait()
    rows = tumours.drop(columns="target")
    sent: dict[str, int] = {}

    def send(thread):
        with httpx.Client(timeout=20) as client:
            for i in range(120):
                name, count = f"{thread}-{i}", 1 + i % 5
                body = yard.body(rows.iloc[i : i + count])
                answer = client.post(f"{server.url}/invocations", json=body, headers={"X-Request-Id": name})
                assert answer.status_code == 200
                sent[name] = count
            client.post(f"{server.url}/invocations", content=b"{")

    threads = [threading.Thread(target=send, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert server.stop() == 0

    log = yard.logged()
    assert log.groupby("request_id").size().to_dict() == sent
    assert not log.duplicated(["request_id", "row"]).any()
    first = log[log.request_id == "0-4"].sort_values("row")
    features = first[[f"x_{name}" for name in rows]].to_numpy()
    np.testing.assert_array_equal(features, rows.iloc[4:9].to_numpy())
    model = load_model(yard.store, read_service(yard.store, "tumour", "production").primary.model)
    assert first.prediction.tolist() == model.predict(rows.iloc[4:9]).tolist()
    np.testing.assert_allclose(first.probability, model.probabilities(rows.iloc[4:9]).max(axis=1))


def test_layout_and_columns(yard, tumours, served):
    log = PredictionLog(yard.store)
    log.append(entry(served, tumours.head(3)))
    log.close()

    files = list((Path(yard.store.url) / "tumour/predictions").rglob("*"))
    file = next(path for path in files if path.suffix == ".parquet")

    folder = "production/version=1/day=2026-05-04/hour=03"
    assert file.parent == Path(yard.store.url) / "tumour/predictions" / folder
    schema = pq.ParquetFile(file).schema_arrow
    types = {field.name: field.type for field in schema}
    plain = {
        "schema_version": pa.int32(),
        "row": pa.int32(),
        "ts": pa.timestamp("us", "UTC"),
        "prediction": pa.int64(),
        "probability": pa.float64(),
        "latency_ms": pa.float64(),
        "status": pa.int16(),
        "x_mean radius": pa.float64(),
    }
    assert {name: types[name] for name in plain} == plain
    row = pd.read_parquet(file, partitioning=None).iloc[2]
    assert (row.request_id, row.row, row.model, row.version) == ("a", 2, "tumour", "1")
    assert (row.environment, row.role, row.status, row.schema_version) == ("production", "primary", 200, 2)
    assert row.digest == served.loaded.ref.digest
    assert row.ts == pd.Timestamp("2026-05-04 03:00", tz="UTC")


def test_text_truth_values_and_nulls_keep_their_types(yard, words):
    yard.deploy(yard.publish(words))
    server = yard.serve(yard.name)
    server.wait()
    rows = words.drop(columns="target").head(8)
    body = yard.body(rows)
    body["dataframe_split"]["data"][2] = [None] * 4
    httpx.post(f"{server.url}/invocations", json=body).raise_for_status()
    httpx.post(f"{server.url}/invocations", json={"inputs": {name: [None] for name in rows}}).raise_for_status()
    server.stop()

    files = list(Path(yard.store.url).rglob("predictions/**/*.parquet"))
    table = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])

    assert table.schema.field("x_size").type == pa.string()
    assert table.schema.field("x_rough").type == pa.bool_()
    assert table.num_rows == 9
    assert table["x_size"].null_count == table["x_rough"].null_count == 2
    assert table["x_mean texture"].null_count == 2 + int(rows["mean texture"].isna().sum())


def test_regression_logs_numbers_without_probabilities(yard, tumours):
    frame = tumours[["mean radius", "mean area", "mean texture"]]
    yard.deploy(yard.publish(frame, target="mean area", regress=True))
    server = yard.serve(yard.name)
    server.wait()
    rows = frame.drop(columns="mean area").head(4)

    answer = httpx.post(f"{server.url}/invocations", json=yard.body(rows)).json()
    tensor = {"name": "x", "shape": [4, 2], "datatype": "FP64", "data": rows.to_numpy().ravel().tolist()}
    outputs = httpx.post(f"{server.url}/v2/models/tumour/infer", json={"inputs": [tensor]}).json()["outputs"]
    server.stop()

    log = yard.logged()
    assert [output["name"] for output in outputs] == ["predict"]
    assert outputs[0]["datatype"] == "FP64"
    assert log.prediction.tolist() == answer["predictions"] * 2
    assert log.probability.isna().all()


def test_what_does_not_fit_the_queue_is_counted_not_waited_for(yard, tumours, served):
    dropped = []
    log = PredictionLog(yard.store, dropped=dropped.append)
    writing, go_on = threading.Event(), threading.Event()

    def slow(folder, entries):
        writing.set()
        go_on.wait(10)

    log._write = slow  # a disk that hangs
    big = entry(served, pd.concat([tumours] * 20))
    log.append(big)
    assert writing.wait(5)

    kept = QUEUE_ROWS // big.rows
    for _ in range(kept + 1):
        log.append(big)

    assert dropped == [big.rows] * 2
    go_on.set()
    log.close()


def test_a_disk_that_refuses_is_counted_and_forgiven(yard, tumours, served):
    dropped = []
    log = PredictionLog(yard.store, dropped=dropped.append)
    write, log._write = log._write, refuse
    log.append(entry(served, tumours.head(7)))
    while not dropped:
        time.sleep(0.02)
    log._write = write
    log.append(entry(served, tumours.head(2), "b"))
    log.close()

    assert dropped == [7]
    assert yard.logged().request_id.tolist() == ["b", "b"]


def refuse(folder, entries):
    raise StoreError("no space left on device")


def test_what_a_version_failed_to_answer_is_in_the_log_with_its_status(yard, tumours, served):
    log = PredictionLog(yard.store)
    log.append(entry(served, tumours.head(2)))
    log.append(replace(entry(served, tumours.head(1)), request_id="b", answer=None, status=500))
    log.close()

    logged = yard.logged().sort_values(["request_id", "row"])
    window = read_window(
        yard.store, "tumour", signature=served.signature, labels=None, locate=str, version="1"
    ).table.to_pandas()

    assert logged.status.tolist() == window.status.tolist() == [200, 200, 500]
    assert window.prediction.isna().tolist() == [False, False, True]


def test_a_log_of_failures_alone_can_be_read(yard, tumours, served):
    log = PredictionLog(yard.store)
    log.append(replace(entry(served, tumours.head(1)), answer=None, status=504))
    log.close()

    window = read_window(yard.store, "tumour", signature=served.signature, labels=None, locate=str)

    assert window.table["status"].to_pylist() == [504]
    assert window.table["prediction"].null_count == 1
