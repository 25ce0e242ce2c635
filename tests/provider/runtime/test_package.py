"""Package: what is built serves its golden rows, has the same digest twice, and is refused when it would not work."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mlops_dag_factory.spec import PackageSpec
from mlops_provider.exceptions import ConfigError, ImageError, ImageRegistryError, ModelLoadError
from tests import containers

BASE = "base_image"


@pytest.fixture(scope="module")
def layout():
    return f"oci:{containers.base_layout()}:slim"


def package(bench, model, **fields):
    context = {name: fields.pop(name) for name in ("run_id", "attempt", "connections", "allowed_imports") if name in fields}
    return bench.run(PackageSpec(model="m", **fields), {"model": model}, **context)


@containers.CONTAINERS
def test_an_image_without_a_daemon_serves_its_golden_rows_and_is_the_same_twice(bench, layout):
    model, train, _ = bench.model()

    first = package(bench, model, base_image=layout)
    second = package(bench, model, base_image=layout, attempt=2)

    assert first.details["smoke"] == {"how": "process", "mismatches": 0, "rows": 100}
    assert first.outputs["image"] == second.outputs["image"]
    assert first.details["manifest"] == second.details["manifest"]
    content = bench.store.open(first.outputs["image"], verify=True)
    manifest = json.loads((content.folder / "blobs/sha256" / first.details["manifest"][7:]).read_text())
    config = json.loads((content.folder / "blobs/sha256" / first.details["config"][7:]).read_text())["config"]
    assert len(manifest["layers"]) == 4
    assert config["User"] == "50000:50000"
    assert "OMP_NUM_THREADS=1" in config["Env"]
    assert config["Labels"]["mlops.model"] == model.digest
    assert config["Labels"]["mlops.data"] == train.digest
    said = subprocess.run(
        ["skopeo", "inspect", f"oci:{content.folder}"], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(said)["Digest"] == first.details["manifest"]
