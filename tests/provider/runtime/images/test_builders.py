"""Builders with an engine or a tool of their own: the same bytes twice, whatever the day."""

from __future__ import annotations

import os
import shutil

import pytest
from tests import containers
from tests.provider.conftest import Bench

from mlops_provider.runtime.images import buildah, docker
from mlops_provider.runtime.images.base import find_base
from mlops_provider.runtime.images.layer import write_layer
from mlops_provider.runtime.images.parts import Parts
from mlops_provider.runtime.images.recipe import recipe


@pytest.fixture
def parts(tmp_path):
    folder = tmp_path / "parts"
    for name in ("lib", "code", "model"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file.py").write_text(f"name = '{name}'\n")
    return Parts(folder, [], compiled=True)


def test_a_layer_depends_on_names_and_contents_only(tmp_path):
    digests = set()
    for order in (("a", "b"), ("b", "a")):
        folder = tmp_path / "".join(order)
        folder.mkdir()
        for name in order:
            (folder / name).write_text(name)
            os.utime(folder / name, (1, len(digests) + 10))
        digests.add(write_layer(folder, "/opt/x", tmp_path, "test").digest)

    assert len(digests) == 1


@containers.CONTAINERS
def test_buildah_builds_the_dockerfile_to_the_same_digest_twice(parts, tmp_path):
    digests = []
    for number in (1, 2):
        layout = tmp_path / str(number) / "layout"
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        base = find_base(f"oci:{containers.base_layout()}:slim", blobs)
        made = recipe("serving", "python:3.11-slim", {"mlops.model": "x"}, Bench(tmp_path).context("p", "package"))
        image = buildah.build(parts, base, layout, made, layout.with_name("built"), "1")
        digests.append(image.digest)
        for file in parts.folder.rglob("*"):
            os.utime(file, (number, number))

    assert digests[0] == digests[1]
    assert image.config["config"]["User"] == "50000:50000"
    assert image.config["config"]["Labels"]["mlops.model"] == "x"
    assert image.config["config"]["Entrypoint"][0] == "python3"


@containers.CONTAINERS
def test_a_base_that_the_engine_has_is_taken_from_it(tmp_path, monkeypatch):
    (tmp_path / "blobs").mkdir()
    with containers.docker_engine(tmp_path / "engine") as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        name = containers.import_base(host)
        client = docker.engine()

        base = docker.base_from_engine(client, name, tmp_path / "blobs")
        missing = docker.base_from_engine(client, "python:2", tmp_path / "blobs")

    assert base.python == "3.11"
    assert [layer["digest"] for layer in base.layers] == base.config["rootfs"]["diff_ids"]
    assert missing is None


def test_tools_that_are_missing_are_named(parts, tmp_path, monkeypatch):
    from mlops_provider.exceptions import MlopsError

    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    with pytest.raises(MlopsError, match="buildah is not installed"):
        buildah._run(tmp_path, "build")
    with pytest.raises(MlopsError, match="no Docker engine answers"):
        docker.engine()
