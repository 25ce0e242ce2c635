"""The registry's client against a real registry: what is pushed is there, checked by a tool that nobody here wrote."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from tests import containers

from mlops_provider.exceptions import ConfigError, ImageError, ImageRegistryError
from mlops_provider.runtime.images.base import find_base
from mlops_provider.runtime.images.buildah import read_layout
from mlops_provider.runtime.images.reference import ImageName
from mlops_provider.runtime.images.registry import Registry
from mlops_provider.runtime.package import push

pytestmark = containers.CONTAINERS
NO_BASE = SimpleNamespace(layers=[], repository="")


@pytest.fixture
def image(tmp_path):
    """Give a small image in a layout."""
    from mlops_provider.runtime.images.layer import write_layer

    blobs = tmp_path / "layout" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hello").write_text("hello")
    layer = write_layer(tmp_path / "files", "/opt", blobs, "test")
    containers.write_layout(tmp_path / "layout", [layer.descriptor()], [layer.diff_id])
    return read_layout(tmp_path / "layout")


def skopeo(*arguments):
    return subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=False)


def test_what_is_pushed_is_what_others_see_and_what_is_pulled(image, tmp_path):
    with containers.registry(tmp_path / "registry") as host:
        name = ImageName.parse(f"{host}/team/churn:3")
        push(image, name, NO_BASE, "")
        push(image, name, NO_BASE, "")

        seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{host}/team/churn:3").stdout)
        (tmp_path / "pulled").mkdir()
        base = find_base(f"{host}/team/churn@{image.digest}", tmp_path / "pulled")

    assert seen["Digest"] == image.digest
    assert base.digest == image.digest
    assert {path.name for path in (tmp_path / "pulled").iterdir()} == {
        digest.removeprefix("sha256:") for digest in (image.digest, *image.blobs())
    }


def test_a_registry_with_a_password_wants_it(image, tmp_path):
    with containers.registry(tmp_path / "registry", password=True) as host:
        name = ImageName.parse(f"{host}/churn:3")
        user = f"http://{containers.REGISTRY_USER}:correct%20horse@{host}"

        with pytest.raises(ConfigError, match=r"refuses access to churn \(401\)"):
            push(image, name, NO_BASE, "")
        with pytest.raises(ConfigError, match="401"):
            push(image, name, NO_BASE, f"http://ana:wrong@{host}")
        push(image, name, NO_BASE, user)
        with Registry(name, user) as registry:
            assert registry.manifest("3")[0]["config"]["digest"] == image.config_digest


def test_a_password_is_not_told_to_another_registry(image):
    asked = Registry(ImageName.parse("127.0.0.1:5/churn:3"), "https://ana:secret@registry.example.com")

    assert asked._user is None


def test_an_image_that_is_not_there_is_said(tmp_path):
    with containers.registry(tmp_path / "registry") as host, pytest.raises(ImageError, match="has no 3"):
        find_base(f"{host}/churn:3", tmp_path)


@contextmanager
def broken_server(status, body=b""):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 (the names that the base class calls)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize(
    ("status", "error"), [(503, ImageRegistryError), (429, ImageRegistryError), (403, ConfigError), (400, ImageError)]
)
def test_whether_a_retry_may_help_depends_on_what_the_registry_says(image, status, error):
    with broken_server(status) as host, pytest.raises(error) as raised:
        push(image, ImageName.parse(f"{host}/churn:3"), NO_BASE, "")

    assert raised.value.retryable == (error is ImageRegistryError)


def test_other_bytes_than_asked_for_are_refused(tmp_path):
    with broken_server(200, b"{}") as host, pytest.raises(ImageRegistryError, match="other bytes"):
        find_base(f"{host}/churn@sha256:{'0' * 64}", tmp_path)


def push_and_die(image, name):
    def die(self, *_):
        os.kill(os.getpid(), signal.SIGKILL)

    Registry.push_manifest = die
    push(image, name, NO_BASE, "")


@pytest.mark.kill
def test_a_push_that_is_killed_publishes_nothing_and_can_be_repeated(image, tmp_path):
    with containers.registry(tmp_path / "registry") as host:
        name = ImageName.parse(f"{host}/churn:3")
        child = multiprocessing.get_context("fork").Process(target=push_and_die, args=(image, name))
        child.start()
        child.join(30)
        before = skopeo("inspect", "--tls-verify=false", f"docker://{host}/churn:3")
        push(image, name, NO_BASE, "")
        after = skopeo("inspect", "--tls-verify=false", f"docker://{host}/churn:3")

    assert child.exitcode == -signal.SIGKILL
    assert before.returncode != 0
    assert json.loads(after.stdout)["Digest"] == image.digest
