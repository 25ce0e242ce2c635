"""The Open Inference Protocol, spoken by NVIDIA's client for Triton: nobody here wrote it."""

from __future__ import annotations

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from mlops_provider.store.models import load_model
from mlops_provider.store.services import read_service


@pytest.fixture
def client(shared):
    address = shared.servers[0].url.removeprefix("http://")
    client = InferenceServerClient(f"{address}/tumour/production")
    yield client
    client.close()


def tensors(metadata, frame, *, binary=False):
    made = []
    for described in metadata["inputs"]:
        values = frame[described["name"]].to_numpy()
        if described["datatype"] == "BYTES":
            values = np.array([str(value).encode() for value in values], dtype=object)
        elif described["datatype"] == "BOOL":
            values = values.astype(bool)
        else:
            values = values.astype({"FP64": np.float64, "INT64": np.int64}[described["datatype"]])
        tensor = InferInput(described["name"], [len(values)], np_to_triton_dtype(values.dtype))
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


def test_tritons_client_finds_the_model_and_predicts_as_the_model_does(shared, client):
    version = read_service(shared.store, "tumour", "production").primary
    model = load_model(shared.store, version.model)
    rows = model.golden()
    metadata = client.get_model_metadata("tumour")

    asked = [InferRequestedOutput("predict", binary_data=False)]
    answer = client.infer("tumour", tensors(metadata, rows), request_id="mine", outputs=asked)
    named = client.infer("tumour", tensors(metadata, rows), model_version=version.version, outputs=asked)

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tumour")
    assert client.is_model_ready("tumour", version.version)
    assert version.version in metadata["versions"]
    assert answer.get_response()["id"] == "mine"
    assert answer.get_response()["model_version"] == version.version
    wanted = [str(value).encode() for value in model.predict(rows)]
    assert [
        value if isinstance(value, bytes) else str(value).encode() for value in answer.as_numpy("predict")
    ] == wanted
    assert named.as_numpy("predict").tolist() == answer.as_numpy("predict").tolist()


def test_tritons_client_is_told_what_is_wrong(shared, client):
    model = load_model(shared.store, read_service(shared.store, "tumour", "production").primary.model)
    right = tensors(client.get_model_metadata("tumour"), model.golden())

    with pytest.raises(InferenceServerException, match="mean radius"):
        client.infer("tumour", right[1:])
    with pytest.raises(InferenceServerException, match="99"):
        client.infer("tumour", right, model_version="99")
