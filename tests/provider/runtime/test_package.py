"""Package: what is built serves its golden rows, has the same digest twice, and is refused when it would not work."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from urllib.parse import quote

import pytest
from tests import containers
from tests.provider.conftest import Bench

from mlops_dag_factory.spec import PackageSpec
from mlops_provider.exceptions import ConfigError, ImageError, ImageRegistryError, ModelLoadError
from mlops_provider.runtime.images import docker
from mlops_provider.runtime.images.buildah import read_layout
from mlops_provider.runtime.images.signature import verify

KEY = "edge_key"


def package(bench, model, **fields):
    names = ("run_id", "attempt", "connections", "allowed_imports")
    context = {name: fields.pop(name) for name in names if name in fields}
    return bench.run(PackageSpec(model="m", **fields), {"model": model}, **context)


@pytest.fixture(scope="module")
def layout():
    return f"oci:{containers.base_layout()}:slim"


@pytest.fixture(scope="module")
def built(tmp_path_factory, layout):
    """Build one image without a daemon, and try it in a process."""
    bench = Bench(tmp_path_factory.mktemp("built"))
    model, train, _ = bench.model()
    return bench, model, train, package(bench, model, base_image=layout)


@containers.CONTAINERS
def test_an_image_without_a_daemon_serves_its_golden_rows(built):
    bench, model, train, outcome = built

    assert outcome.details["smoke"] == {"how": "process", "mismatches": 0, "rows": 20}
    folder = bench.store.open(outcome.outputs["image"], verify=True).folder
    image = read_layout(folder)
    assert len(image.manifest["layers"]) == 4
    assert image.config["config"]["User"] == "50000:50000"
    assert "OMP_NUM_THREADS=1" in image.config["config"]["Env"]
    labels = image.config["config"]["Labels"]
    assert (labels["mlops.model"], labels["mlops.data"]) == (model.digest, train.digest)
    said = subprocess.run(["skopeo", "inspect", f"oci:{folder}"], capture_output=True, text=True, check=True).stdout
    assert json.loads(said)["Digest"] == outcome.details["manifest"]


@containers.CONTAINERS
def test_the_same_model_gives_the_same_digest(built, layout):
    bench, model, _, first = built

    second = package(bench, model, base_image=layout, attempt=2, smoke=False)

    assert second.details["manifest"] == first.details["manifest"]
    assert second.outputs["image"] == first.outputs["image"]


@containers.CONTAINERS
def test_the_report_holds_a_dockerfile_to_review(built):
    bench, _, _, outcome = built

    folder = bench.store.open(outcome.outputs["report"]).folder
    text = (folder / "Dockerfile").read_text()
    assert "USER 50000:50000" in text
    assert "HEALTHCHECK" in text
    assert (folder / ".dockerignore").read_text().startswith("*\n")
    assert any(line.startswith("scikit-learn==") for line in (folder / "requirements.txt").read_text().splitlines())


@containers.CONTAINERS
def test_the_image_runs_in_a_container_that_cannot_write(built, tmp_path, monkeypatch):
    bench, _, _, outcome = built
    image = read_layout(bench.store.open(outcome.outputs["image"]).folder)

    with containers.docker_engine(tmp_path / "engine") as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        client = docker.engine()
        image_id = docker.load(client, image, "churn:1", tmp_path)
        found = docker.smoke(client, image_id, serves=True)

    assert image_id == image.config_digest
    assert found == {"how": "container", "user": "50000", "mismatches": 0, "rows": 20}


@containers.CONTAINERS
def test_an_engine_builds_tries_and_pushes_what_a_registry_then_has(built, tmp_path, monkeypatch):
    bench, model, _, without_engine = built

    with (
        containers.docker_engine(tmp_path / "engine") as host,
        containers.registry(tmp_path / "registry", password=True) as address,
    ):
        monkeypatch.setenv("DOCKER_HOST", host)
        base = containers.import_base(host)
        login = f"http://{containers.REGISTRY_USER}:{quote(containers.REGISTRY_PASSWORD)}@{address}"
        fields = {"repository": f"{address}/wines", "push": True, "conn_id": "registry", "run_id": "run-2"}
        asked = {"connections": {"registry": login}, "base_image": base, **fields}
        outcome = package(bench, model, builder="docker", **asked)
        image = outcome.outputs["image"]
        credentials = f"{containers.REGISTRY_USER}:{containers.REGISTRY_PASSWORD}"
        command = ["skopeo", "inspect", "--tls-verify=false", "--creds", credentials, f"docker://{image.uri}"]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert outcome.details["smoke"] == {"how": "container", "user": "50000", "mismatches": 0, "rows": 20}
    assert image.uri == f"{address}/wines@sha256:{image.digest}"
    assert said["Digest"] == f"sha256:{image.digest}"
    assert said["Labels"]["mlops.model"] == model.digest
    assert containers.REGISTRY_PASSWORD not in repr(outcome)
    assert outcome.details["requirements"] == without_engine.details["requirements"]


@containers.CONTAINERS
@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"requirements": ["no-such-library==1.0"]}, ConfigError, "no-such-library"),
        ({"requirements": ["--index-url=http://evil"]}, ConfigError, "is not a requirement"),
        ({"base_image": "oci:/nowhere"}, ConfigError, "not a folder in OCI layout"),
        ({"base_image": "127.0.0.1:1/python:3.11"}, ImageRegistryError, "does not answer"),
        ({"base_image": "Not A Name"}, ConfigError, "is not the name of an image"),
        ({"push": True}, ConfigError, "nowhere to push to"),
    ],
)
def test_what_cannot_be_built_is_said(bench, layout, fields, error, message):
    model, _, _ = bench.model()

    with pytest.raises(error, match=message):
        package(bench, model, **{"base_image": layout, **fields})

    assert bench.store.files.list("flow/images") == []


def test_a_base_for_another_processor_is_refused(bench):
    folder = bench.root / "base"
    (folder / "blobs" / "sha256").mkdir(parents=True)
    containers.write_layout(folder, [], [], architecture="s390x")
    model, _, _ = bench.model()

    with pytest.raises(ImageError, match="linux/s390x"):
        package(bench, model, base_image="oci:base")


def test_a_model_that_the_deployment_does_not_trust_is_not_packaged(bench, monkeypatch):
    monkeypatch.syspath_prepend(str(bench.root))
    (bench.root / "own_model.py").write_text(
        "class Constant:\n"
        "    def predict(self, frame):\n        import numpy as np\n        return np.zeros(len(frame), dtype=int)\n"
        "    def save(self, folder):\n        (folder / 'x').write_text('0')\n"
        "    @classmethod\n    def load(cls, folder):\n        return cls()\n"
        "def make(frame, target, **more):\n    return Constant()\n"
    )
    allowed = ("sklearn.", "own_model")
    parts = bench.dataset("sklearn:iris")
    from mlops_dag_factory.spec import TrainSpec

    spec = TrainSpec(data="d", target="target", python="own_model:make")
    model = bench.run(spec, {"data": parts}, allowed_imports=allowed).outputs["model"]

    with pytest.raises(ModelLoadError, match="own_model"):
        package(bench, model, builder="bundle")

    bundle = package(bench, model, builder="bundle", allowed_imports=allowed)
    assert (bench.store.open(bundle.outputs["image"]).folder / "own_model.py").exists()


def keys(folder):
    for command in (
        ["genpkey", "-algorithm", "ed25519", "-out", "key.pem"],
        ["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"],
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    return (folder / "key.pem").read_text(), str(folder / "public.pem")


def test_a_bundle_predicts_where_only_its_requirements_are(bench, tmp_path):
    model, _, _ = bench.model()
    outcome = package(bench, model, builder="bundle")
    folder = bench.store.open(outcome.outputs["image"], verify=True).folder
    home = tmp_path / "device"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    uv = [f"{sys.prefix}/bin/uv", "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*uv, "--requirement", str(folder / "requirements.txt")], check=True)
    loaded = json.loads((folder / "model" / "manifest.json").read_text())["meta"]["signature"]
    row = dict.fromkeys((feature["name"] for feature in loaded["features"]), 1.5)

    checked = subprocess.run([python, "-B", folder, "--check"], capture_output=True, text=True, check=False, cwd="/")
    asked = subprocess.run(
        [python, "-B", folder], input=json.dumps(row) + "\n", capture_output=True, text=True, check=False, cwd="/"
    )
    wrong = subprocess.run(
        [python, "-B", folder], input='{"x": 1}\n', capture_output=True, text=True, check=False, cwd="/"
    )
    airflow = subprocess.run([python, "-c", "import airflow"], capture_output=True, check=False)

    assert checked.stdout == "20 golden rows are answered as in training\n", checked.stderr
    answer = json.loads(asked.stdout)
    assert len(answer["probabilities"]) == 3
    assert sum(answer["probabilities"]) == pytest.approx(1)
    assert (wrong.returncode, "line 1 lacks" in wrong.stderr) == (1, True)
    assert airflow.returncode != 0


def test_a_bundle_is_the_same_twice_and_signed(bench, tmp_path):
    model, _, _ = bench.model()
    private, public = keys(tmp_path)

    first = package(bench, model, builder="bundle", signing_key=KEY, connections={KEY: private})
    second = package(bench, model, builder="bundle", signing_key=str(tmp_path / "key.pem"), attempt=2, smoke=False)

    assert first.outputs["image"] == second.outputs["image"]
    folder = bench.store.open(first.outputs["image"]).folder
    assert verify(folder, public) > 10
    assert private.splitlines()[1] not in json.dumps(first.details)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "model" / "model.skops").write_bytes(b"x"), "model.skops was changed"),
        (lambda folder: (folder / "__main__.py").unlink(), "lacks __main__.py"),
        (lambda folder: (folder / "more.py").touch(), "more.py does not belong"),
        (lambda folder: (folder / "digests.json").write_text("{}"), "not that of this key"),
        (lambda folder: (folder / "digests.sig").unlink(), "not signed"),
    ],
)
def test_a_bundle_that_was_changed_is_found(bench, tmp_path, harm, message):
    model, _, _ = bench.model()
    private, public = keys(tmp_path)
    made = package(bench, model, builder="bundle", signing_key=KEY, connections={KEY: private}, smoke=False)
    folder = bench.store.open(made.outputs["image"]).folder
    harm(folder)

    with pytest.raises(ImageError, match=message):
        verify(folder, public)


def test_a_key_that_is_none_is_refused(bench):
    model, _, _ = bench.model()

    with pytest.raises(ConfigError, match="not a private key"):
        package(bench, model, builder="bundle", signing_key=KEY, connections={KEY: "-----BEGIN x"}, smoke=False)

    assert bench.store.files.list("flow/images") == []
