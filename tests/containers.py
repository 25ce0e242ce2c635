"""Container parts for tests: a base image made by debootstrap, a registry and a Docker engine, each of its own.

Nothing is pulled. The base is kept in `.mlops/containers` between runs; who is first makes it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parent.parent / ".mlops" / "containers"
BASE = "python:3.11-slim"
REGISTRY_USER, REGISTRY_PASSWORD = "ana", "correct horse"
_HASH = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
"""The password by bcrypt, as htpasswd files have it."""
CONTAINERS = pytest.mark.skipif(
    "CI" not in os.environ  # there it fails
    and (os.geteuid() != 0 or not shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")),
    reason="needs root and the packages of .ci/system-packages",
)


def base_layout() -> Path:
    """Give a Debian with Python 3.11 as a folder in OCI layout, tagged `slim`."""
    CACHE.mkdir(parents=True, exist_ok=True)
    layout = CACHE / "base"
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (layout / "index.json").exists():
            make_base(layout)
    return layout


def make_base(layout: Path) -> None:
    from mlops_provider.runtime.images.layer import write_layer

    rootfs = CACHE / "rootfs"
    if not (rootfs / ".done").exists():
        shutil.rmtree(rootfs, ignore_errors=True)
        mirror = debian_mirror()
        command = ["debootstrap", "--variant=minbase", "--include=python3,libgomp1", "bookworm", str(rootfs), *mirror]
        subprocess.run(command, check=True, capture_output=True, env=with_sbin())
        (rootfs / ".done").touch()
    for needless in ("var/cache", "var/lib/apt", "usr/share/doc", "usr/share/locale", "usr/share/man", "dev"):
        shutil.rmtree(rootfs / needless, ignore_errors=True)
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layer = write_layer(rootfs, "/", blobs, "debootstrap")
    write_layout(layout, [layer.descriptor()], [layer.diff_id])


def write_layout(layout: Path, layers, diff_ids, *, architecture="amd64") -> None:
    import hashlib

    def blob(value) -> dict:
        content = json.dumps(value, sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()
        (layout / "blobs" / "sha256" / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION=3.11.2"]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": environment, "Cmd": ["python3"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "debootstrap"}],
    }
    oci = "application/vnd.oci.image"
    described = {"mediaType": f"{oci}.config.v1+json", **blob(config)}
    manifest = {"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "config": described, "layers": layers}
    name = {"org.opencontainers.image.ref.name": "slim"}
    entry = {"mediaType": f"{oci}.manifest.v1+json", **blob(manifest), "annotations": name}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def debian_mirror() -> list[str]:
    """Give the mirror that this machine's apt uses."""
    for file in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for line in file.read_text().splitlines():
            if line.startswith("URIs:") and line.rstrip("/").endswith("/debian"):
                return [line.split()[1]]
    return []


def with_sbin() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def registry(folder: Path, *, password: bool = False):
    """Run Debian's docker-registry on a port of this machine; give host:port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    lines = ["version: 0.1", f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}"]
    lines += [f"http: {{addr: '127.0.0.1:{port}'}}", "log: {accesslog: {disabled: true}, level: error}"]
    if password:
        (folder / "htpasswd").write_text(f"{REGISTRY_USER}:{_HASH}\n")
        lines.append(f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}")
    (folder / "config.yml").write_text("\n".join(lines))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        answers(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")


@contextmanager
def docker_engine(folder: Path):
    """Run a Docker engine with its own sockets and data; give the value of DOCKER_HOST.

    The sockets are in a folder with a short name: a path of a socket may have 104 characters, pytest's are longer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sockets = Path(tempfile.mkdtemp(prefix="docker-"))
    host = f"unix://{sockets}/docker.sock"
    command = [
        "dockerd", "--host", host, "--data-root", str(folder / "data"), "--exec-root", str(sockets / "exec"),
        "--pidfile", str(folder / "pid"), "--bridge", "none", "--iptables=false", "--ip-masq=false",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=with_sbin())
    try:
        import docker

        deadline = time.monotonic() + 60
        while True:
            try:
                docker.DockerClient(host, timeout=5).ping()
                break
            except (docker.errors.DockerException, OSError):
                alive = process.poll() is None and time.monotonic() < deadline
                assert alive, (folder / "log").read_text()[-3000:]
                time.sleep(0.2)
        yield host
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(sockets, ignore_errors=True)


def import_base(host: str) -> str:
    """Put the base image into an engine under the name of the wanted one."""
    import docker

    [layer] = [path for path in (base_layout() / "blobs" / "sha256").iterdir() if path.stat().st_size > 1_000_000]
    client = docker.DockerClient(host)
    client.api.import_image_from_file(
        str(layer), repository="python", tag="3.11-slim", changes=["ENV PYTHON_VERSION=3.11.2"]
    )
    return BASE
