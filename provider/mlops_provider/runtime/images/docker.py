"""A Docker engine: the base comes from it where it has it, and the image goes into it, with the digest it has anywhere.

The engine builds nothing: its own builds date every file, so that no two are equal. The layers are ours.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, ImageError, ImageRegistryError, MissingExtraError
from mlops_provider.runtime.images.base import Base
from mlops_provider.runtime.images.recipe import PORT, ROOT
from mlops_provider.runtime.images.smoke import read_answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_provider.runtime.images.assemble import Image

_TAR = "application/vnd.oci.image.layer.v1.tar"


def engine(url: str = "", certificates: Mapping[str, str] | None = None) -> Any:
    """Connect to an engine: at a URL, or that which DOCKER_HOST names, by default the one of this machine.

    `certificates` are the paths `ca_cert`, `client_cert` and `client_key`, for engines that want TLS.
    """
    try:
        import docker
    except ImportError as err:
        raise MissingExtraError("the Docker SDK", "docker") from err
    try:
        client = docker.DockerClient(url, tls=_tls(certificates or {})) if url else docker.from_env()
        client.ping()
    except docker.errors.DockerException as err:
        raise ImageRegistryError(
            f"no Docker engine answers: {err}", hint="start it, set DOCKER_HOST, or take builder: oci, which needs none"
        ) from err
    return client


def _tls(certificates: Mapping[str, str]) -> Any:
    import docker

    if not certificates:
        return False
    own = (certificates.get("client_cert", ""), certificates.get("client_key", ""))
    ca_cert = certificates.get("ca_cert")
    return docker.tls.TLSConfig(client_cert=own if all(own) else None, ca_cert=ca_cert, verify=bool(ca_cert))


def base_from_engine(client: Any, name: str, blobs: Path) -> Base | None:
    """Take a base image out of the engine; None where it does not have it."""
    import docker

    try:
        found = client.images.get(name)
    except docker.errors.ImageNotFound:
        return None
    archive = blobs / ".base.tar"
    with archive.open("wb") as file:
        for piece in found.save(named=False):
            file.write(piece)
    with tarfile.open(archive) as saved:
        entry = json.load(_member(saved, "manifest.json"))[0]
        config = json.load(_member(saved, entry["Config"]))
        layers = [_layer(saved, layer, blobs) for layer in entry["Layers"]]
    archive.unlink()
    base = Base(name, str(found.id), config, layers)
    base.check()
    return base


def _layer(saved: tarfile.TarFile, name: str, blobs: Path) -> dict[str, Any]:
    source, sha256, aside, size = _member(saved, name), hashlib.sha256(), blobs / ".layer", 0
    with aside.open("wb") as file:
        while piece := source.read(1 << 20):
            sha256.update(piece)
            size += file.write(piece)
    digest = sha256.hexdigest()
    aside.replace(blobs / digest)
    return {"mediaType": _TAR, "digest": f"sha256:{digest}", "size": size}


def _member(saved: tarfile.TarFile, name: str) -> Any:
    member = saved.getmember(name)
    file = saved.extractfile(saved.getmember(member.linkname.lstrip("./")) if member.issym() else member)
    if file is None:
        raise ImageError(f"the engine's archive lacks {name}")
    return file


def load(client: Any, image: Image, name: str, scratch: Path) -> str:
    """Load an image into the engine under a name; give its id, which is the digest of its config."""
    import docker

    archive = scratch / "image.tar"
    entry = {"Config": "config.json", "RepoTags": [name], "Layers": []}
    with tarfile.open(archive, "w") as file:
        file.add(image.blob(image.config_digest), "config.json")
        for layer in dict.fromkeys(each["digest"] for each in image.manifest["layers"]):
            file.add(image.blob(layer), f"{layer.removeprefix('sha256:')}.tar")
        entry["Layers"] = [f"{each['digest'].removeprefix('sha256:')}.tar" for each in image.manifest["layers"]]
        (scratch / "manifest.json").write_text(json.dumps([entry]))
        file.add(scratch / "manifest.json", "manifest.json")
    try:
        with archive.open("rb") as content:
            loaded = client.images.load(content)
    except docker.errors.DockerException as err:
        raise ImageRegistryError(f"the Docker engine does not take {name}: {err}") from err
    archive.unlink()
    if loaded[0].id != image.config_digest:
        raise ImageError(f"the engine calls {name} {loaded[0].id}, it was built as {image.config_digest}")
    return str(loaded[0].id)


def smoke(client: Any, image_id: str, *, serves: bool) -> dict[str, object]:
    """Run the image without a way to write and without privileges, and ask its golden rows from inside."""
    import docker

    safe = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"], "network_mode": "none"}
    try:
        if not serves:
            client.containers.run(
                image_id, ["-c", "import mlops_provider.runtime.train, sklearn, duckdb"], entrypoint="python3",
                remove=True, **safe,
            )  # fmt: skip
            return {"how": "container", "imports": "runtime"}
        container = client.containers.run(image_id, detach=True, **safe)
    except docker.errors.DockerException as err:
        raise ImageError(f"what was built does not start: {err}") from err
    try:
        asked = ["python3", "-m", "mlops_provider.serving.golden", f"http://127.0.0.1:{PORT}", f"{ROOT}/model"]
        code, (out, err_out) = container.exec_run(asked, demux=True)
        log = container.logs().decode(errors="replace") + (err_out or b"").decode(errors="replace")
        user = container.exec_run(["id", "-u"])[1].decode().strip()
        return {"how": "container", "user": user, **read_answer((out or b"").decode(), log, code)}
    except docker.errors.APIError as err:
        log = container.logs().decode(errors="replace")[-1500:]
        raise ImageError(f"what was built ended: {log or err}") from err
    finally:
        container.remove(force=True)


def require_name(name: str) -> None:
    """Refuse names that Docker does not take."""
    if name != name.lower():
        raise ConfigError(f"'{name}' is not the name of an image", hint="use small letters")
