"""A Docker engine with images of a model that answers, made once for a module."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass, replace

import pytest
from tests import containers
from tests.provider.conftest import Bench

from mlops_dag_factory.spec import PackageSpec
from mlops_provider.refs import ImageRef
from mlops_provider.runtime.images import docker as images
from mlops_provider.runtime.images.buildah import read_layout
from mlops_provider.runtime.images.recipe import ROOT


@dataclass
class Built:
    """A bench, the image of its version 1 in the store, and one of version 2 in the engine: another name inside."""

    bench: Bench
    first: ImageRef
    second: ImageRef
    engine: str


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("built"))
    model, _, _ = bench.model()
    version = bench.version(model, run_id="make-1")
    other, _, _ = bench.model(estimator="sklearn.naive_bayes.GaussianNB")
    newer = bench.version(other, run_id="make-2")
    spec = PackageSpec(model="m", base_image=f"oci:{containers.base_layout()}:slim", smoke=False)
    first = bench.run(spec, {"model": version}).outputs["image"]
    with containers.docker_engine(tmp_path_factory.mktemp("engine")) as engine:
        client = images.engine(engine)
        with bench.store.scratch() as scratch:
            layout = read_layout(bench.store.open(first).folder)
            image_id = images.load(client, layout, "iris:1", scratch)
        image = variant(client, image_id, newer, {f"{ROOT[1:]}/model/served_as.json": {"name": "flow", "version": "2"}})
        yield Built(bench, first, ImageRef.serving("iris:2", image, newer), engine)


def variant(client, image_id, model, files):
    """Give the digest of an image like another, with other files, that says to hold a model."""
    container = client.containers.create(image_id)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            text = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    container.put_archive("/", archive.getvalue())
    made = container.commit(changes=f"LABEL mlops.model={model.digest}")
    container.remove()
    return made.id.removeprefix("sha256:")


@pytest.fixture
def broken(built):
    """Give an image of a version 3 whose model is damaged."""
    client = images.engine(built.engine)
    newer = replace(built.second.model(), version="3")
    files = {f"{ROOT[1:]}/model/signature.json": {}, f"{ROOT[1:]}/model/model.skops": {"not": "a model"}}
    return ImageRef.serving("iris:3", variant(client, f"sha256:{built.second.digest}", newer, files), newer)
