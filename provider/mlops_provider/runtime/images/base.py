"""Base images: from a registry, from a folder in OCI layout, or from a Docker engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_provider.exceptions import ConfigError, ImageError
from mlops_provider.runtime.images.reference import ImageName
from mlops_provider.runtime.images.registry import INDEXES, Registry

LAYOUT = "oci:"
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
"""What images call a processor -> what wheels call it."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base image whose blobs lie in a local folder: its name, its digest, its config and its layers' descriptors."""

    name: str
    digest: str
    config: dict[str, Any]
    layers: list[dict[str, Any]]
    repository: str = field(default="")

    @property
    def architecture(self) -> str:
        """The processor, as images call it."""
        return str(self.config.get("architecture", ""))

    @property
    def python(self) -> str:
        """Major and minor version of its Python: what the official images say of themselves, else this process's."""
        said = dict(entry.partition("=")[::2] for entry in self.config.get("config", {}).get("Env") or [])
        version = said.get("PYTHON_VERSION") or f"{sys.version_info.major}.{sys.version_info.minor}"
        return ".".join(version.split(".")[:2])

    def check(self) -> None:
        """Refuse an image of another system or of a processor that there are no libraries for."""
        system, processor = self.config.get("os"), self.architecture
        if system != "linux" or processor not in ARCHITECTURES:
            raise ImageError(
                f"base image {self.name} is for {system}/{processor}", hint=f"linux on {' or '.join(ARCHITECTURES)}"
            )


def this_architecture() -> str:
    """Give what images call this machine's processor."""
    machine = os.uname().machine
    return next((name for name, wheel in ARCHITECTURES.items() if machine in {name, wheel}), machine)


def find_base(name: str, blobs: Path, address: str = "") -> Base:
    """Bring a base image's blobs into a folder: from `oci:<folder>[:tag]` or from its registry."""
    if name.startswith(LAYOUT):
        return _from_layout(name, blobs)
    return _from_registry(ImageName.parse(name), name, blobs, address)


def _from_registry(image: ImageName, name: str, blobs: Path, address: str) -> Base:
    with Registry(image, address) as registry:
        manifest, content = registry.manifest(image.reference)
        if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
            manifest, content = registry.manifest(_of_this_machine(manifest, name)["digest"])
        for blob in (manifest["config"], *manifest["layers"]):
            path = blobs / blob["digest"].removeprefix("sha256:")
            if not path.exists():
                registry.pull_blob(blob["digest"], path)
    return _base(name, manifest, content, blobs, image.repository)


def _from_layout(name: str, blobs: Path) -> Base:
    text = name.removeprefix(LAYOUT)
    folder, _, tag = text.rpartition(":") if ":" in text else (text, "", "")
    root = Path(folder)
    if not (root / "index.json").is_file():
        raise ConfigError(
            f"base image {name}: {root} is not a folder in OCI layout", hint="it has index.json and blobs"
        )
    entries = json.loads((root / "index.json").read_text())["manifests"]
    label = "org.opencontainers.image.ref.name"
    named = [entry for entry in entries if not tag or entry.get("annotations", {}).get(label) == tag]
    if not named:
        known = ", ".join(str(entry.get("annotations", {}).get(label)) for entry in entries)
        raise ConfigError(f"base image {name}: there is no '{tag}'", hint=f"there are: {known}")
    content = _layout_blob(root, named[0]["digest"]).read_bytes()
    manifest = json.loads(content)
    if "manifests" in manifest:
        content = _layout_blob(root, _of_this_machine(manifest, name)["digest"]).read_bytes()
        manifest = json.loads(content)
    for blob in (manifest["config"], *manifest["layers"]):
        target = blobs / blob["digest"].removeprefix("sha256:")
        if not target.exists():
            _link(_layout_blob(root, blob["digest"]), target)
    return _base(name, manifest, content, blobs)


def _base(name: str, manifest: dict[str, Any], content: bytes, blobs: Path, repository: str = "") -> Base:
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    found = Base(name, f"sha256:{digest}", config, manifest["layers"], repository)
    found.check()
    return found


def _of_this_machine(index: dict[str, Any], name: str) -> dict[str, Any]:
    platforms = {
        f"{entry.get('platform', {}).get('os')}/{entry.get('platform', {}).get('architecture')}": entry
        for entry in index["manifests"]
    }
    wanted = f"linux/{this_architecture()}"
    if wanted not in platforms:
        raise ImageError(
            f"base image {name} is not there for {wanted}", hint=f"it is for {', '.join(sorted(platforms))}"
        )
    found: dict[str, Any] = platforms[wanted]
    return found


def _layout_blob(root: Path, digest: str) -> Path:
    path = root / "blobs" / "sha256" / digest.removeprefix("sha256:")
    if not path.is_file():
        raise ImageError(f"the OCI layout {root} lacks {digest[:19]}", hint="copy it again, with all of its blobs")
    return path


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
