"""Phases in containers of a real engine: the libraries are those of an environment, which the containers see."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from tests import containers
from tests.provider.conftest import Bench
from tests.provider.runtime.places.conftest import Runner, alike

import mlops_dag_factory
import mlops_provider
from mlops_dag_factory.spec import IngestSpec, TransformSpec
from mlops_provider.exceptions import ConfigError, PlaceError, WorkFailedError
from mlops_provider.refs import ImageRef
from mlops_provider.runtime.images.docker import engine
from mlops_provider.runtime.images.recipe import recipe
from mlops_provider.runtime.places.container import ENTRYPOINT, LABEL, ContainerPlace, folders
from mlops_provider.runtime.records import run_records
from mlops_provider.runtime.table import read_frame

pytestmark = containers.CONTAINERS
MODULES = Path(__file__).with_name("modules")
PARTS = {"allowed_imports": ("place_parts",)}
ROWS = "a\n1\n2\n"
OWNER = 50000


@pytest.fixture(scope="module")
def docker_host(tmp_path_factory):
    with containers.docker_engine(tmp_path_factory.mktemp("engine")) as host:
        as_published(host, containers.import_base(host))
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = host
        yield host
        os.environ.pop("DOCKER_HOST") if before is None else os.environ.update(DOCKER_HOST=before)


def as_published(host, name):
    """Let everybody write /tmp, as in published images; the one that tests make has one mode for all folders."""
    archive, entry = io.BytesIO(), tarfile.TarInfo("tmp")
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(entry)
    container = engine(host).containers.create(name, "true")
    container.put_archive("/", archive.getvalue())
    container.commit(*name.split(":"))
    container.remove()


@pytest.fixture(scope="session")
def code(environments):
    """Put our code and the user's beside the libraries; give all of it as a path."""
    folder = environments / "code"
    for package in (mlops_provider, mlops_dag_factory):
        source = Path(package.__file__).parent
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(MODULES, folder, dirs_exist_ok=True)
    environments.chmod(0o755)
    [site] = environments.glob("*/lib/python*/site-packages")
    return f"{folder}:{site}"


@pytest.fixture
def bench(tmp_path):
    """Give a bench whose folders a user that is not root may write."""
    before = os.umask(0)
    for folder in (tmp_path, tmp_path / "store"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, OWNER, OWNER)
    bench = Bench(tmp_path)
    os.chown(tmp_path / "mlflow.db", OWNER, OWNER)
    yield bench
    os.umask(before)


@pytest.fixture
def there(bench, docker_host, code, environments):
    """Run phases in the base image, whose Python finds all that it needs among the data."""
    variables = {"PYTHONPATH": code, "PYTHONDONTWRITEBYTECODE": "1", "DATA": str(environments)}
    place = ContainerPlace(containers.BASE, network="none", variables={**variables, "PIDS": f"{bench.root}/store/pids"})
    return Runner(bench, place, data_root=str(environments))


def left(docker_host):
    client = engine(docker_host)
    return client.containers.list(all=True, filters={"label": LABEL})


def test_the_records_are_those_of_the_worker(there, inline_records, docker_host):
    records = there.whole()

    assert {name: alike(record) for name, record in records.items()} == {
        name: alike(record) for name, record in inline_records.items()
    }
    assert records["model"]["place"]["runtime"] == "docker"
    assert any("training sklearn.tree" in line for line in there.said)
    assert left(docker_host) == []


def test_a_phase_is_no_root_writes_nothing_else_and_shows_no_secret(bench, there):
    there.place.cpu, there.place.memory = "2", "2Gi"
    spec, data = TransformSpec(data="n", python="place_parts:look_around"), bench.csv("n.csv", ROWS)
    secret = {"LAKE_TOKEN": "s3cr3t-of-the-lake"}
    home = Path(there.context["data_root"]) / "home"
    home.mkdir()
    (home / "airflow.cfg").touch()
    there.place.hidden = str(home)

    found = there.run(spec, "told", {"data": data}, variables=secret, **PARTS)

    [row] = read_frame(bench.store, found.outcome.outputs["data"]).to_dict("records")
    assert (row["user"], row["seen"], list(row["written"]), row["threads"]) == (OWNER, False, ["/tmp"], 2)
    assert (list(row["data"]), list(row["home"])) == (["code", "home"], [])


def test_airflows_home_is_shown_to_no_container(bench):
    (bench.root / "airflow.cfg").touch()

    with pytest.raises(ConfigError, match="lies in Airflow's home"):
        list(folders(bench.context("model", "train")))

    elsewhere = bench.context("model", "train", tracking_uri="http://mlflow:5000", data_root="s3://lake")
    assert list(folders(elsewhere)) == [(bench.store.url, "rw")]
    at_home = bench.context("model", "train", tracking_uri="", data_root=str(bench.root))
    assert list(folders(at_home, str(bench.root))) == [(bench.store.url, "rw")]


def test_what_root_owns_is_named_where_a_container_would_write_it(bench, there):
    os.chown(bench.root / "mlflow.db", 0, 0)

    with pytest.raises(ConfigError, match=r"mlflow.db belongs to root"):
        there.run(IngestSpec(source="sklearn:iris"), "rows")


def test_want_of_memory_is_named(bench, there):
    there.place.memory = "400Mi"
    spec, data = TransformSpec(data="n", python="place_parts:hoard"), bench.csv("n.csv", ROWS)

    with pytest.raises(WorkFailedError, match="killed for want of memory: it may use 400Mi"):
        there.run(spec, "greedy", {"data": data}, **PARTS)

    [record] = [each for each in run_records(bench.store, "flow", "run-1") if each["phase"] == "greedy"]
    assert (record["status"], record["place"]["runtime"]) == ("failed", "docker")


def test_images_that_are_not_there_are_told_from_registries_that_do_not_answer(bench, docker_host, tmp_path):
    rows = IngestSpec(source="sklearn:iris")
    missing = pytest.raises(WorkFailedError, match="none:1' cannot be pulled: manifest")
    with containers.registry(tmp_path / "registry") as registry, missing:
        Runner(bench, ContainerPlace(f"{registry}/none:1")).run(rows, "rows")
    with pytest.raises(PlaceError, match="cannot be pulled"):
        Runner(bench, ContainerPlace(f"{registry}/none:1")).run(rows, "rows", attempt=2)
    with pytest.raises(WorkFailedError, match="package made with purpose: training"):
        Runner(bench, ContainerPlace(containers.BASE, network="none")).run(rows, "rows", attempt=3)
    made = ImageRef(uri="lab/training:2", digest="0" * 64)
    with pytest.raises(WorkFailedError, match="does not have lab/training:2"):
        Runner(bench, ContainerPlace("", made=made)).run(rows, "rows", attempt=4)
    none = json.dumps({"engine": f"unix://{tmp_path}/none.sock"})
    with pytest.raises(PlaceError, match="no Docker engine answers"):
        Runner(bench, ContainerPlace("x", engine=none)).run(rows, "rows", attempt=5)
    assert left(docker_host) == []


TASK = """
import os, sys
from pathlib import Path
from tests.provider.conftest import Bench
from tests.provider.runtime.places.conftest import Runner
from mlops_dag_factory.spec import TransformSpec
from mlops_provider.refs import ref_from_dict
from mlops_provider.runtime.places.container import ContainerPlace
os.umask(0)
place = ContainerPlace({image!r}, network="none", variables={variables!r})
spec = TransformSpec(data="n", python="place_parts:linger")
work = Runner(Bench(Path({root!r})), place, data_root={data_root!r})
work.run(spec, "slow", {{"data": ref_from_dict({data!r})}}, allowed_imports=("place_parts",))
"""


@pytest.mark.kill
def test_a_container_ends_with_its_task_and_a_retry_takes_its_place(bench, there, docker_host):
    data, pids = bench.csv("n.csv", ROWS), bench.root / "store" / "pids"
    place, folder = there.place, there.context["data_root"]
    about = {"image": place.image, "variables": place.variables, "root": str(bench.root), "data_root": folder}
    text = TASK.format(**about, data=data.to_dict())
    task = subprocess.Popen([sys.executable, "-c", text], cwd=Path(__file__).parents[4])
    while not pids.exists():
        assert task.poll() is None
        time.sleep(0.05)
    [running] = left(docker_host)

    task.send_signal(signal.SIGKILL)

    task.wait()
    running.wait(timeout=60)
    assert run_records(bench.store, "flow", "run-1")[-1]["phase"] != "slow"
    spec = TransformSpec(data="n", sql="SELECT a FROM n")
    again = there.run(spec, "slow", {"data": data}, attempt=2)
    assert again.outcome.outputs["data"].rows == 2
    assert any("an earlier try of this phase left the container" in line for line in there.said)
    assert left(docker_host) == []


def test_the_image_of_phases_starts_what_a_container_is_asked_to_start(bench):
    made = recipe("training", containers.BASE, {}, bench.context("image", "package"))

    assert (made.entrypoint, made.command, made.port) == (ENTRYPOINT, [], 0)
    assert (made.parts, made.user) == (("lib", "code"), "50000:50000")
    assert ContainerPlace("lab/training@sha256:1").environment().never == ""
    assert "may change" in ContainerPlace("lab/training:1").environment().never
