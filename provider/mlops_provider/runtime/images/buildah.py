"""Buildah: builds the Dockerfile that is shown, without a daemon, each file dated 1970."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError, ImageError
from mlops_provider.runtime.images.assemble import INDEX_TYPE, MANIFEST_TYPE, Image
from mlops_provider.runtime.images.recipe import DOCKERIGNORE

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_provider.runtime.images.base import Base
    from mlops_provider.runtime.images.parts import Parts
    from mlops_provider.runtime.images.recipe import Recipe

_BASE = "base"


def build(parts: Parts, base: Base, base_layout: Path, recipe: Recipe, layout: Path, tag: str) -> Image:
    """Build the recipe from the parts on a base whose blobs lie in a layout; give the image, in a layout of its own."""
    name = {"org.opencontainers.image.ref.name": _BASE}
    size = (base_layout / "blobs" / "sha256" / base.digest.removeprefix("sha256:")).stat().st_size
    entry = {"mediaType": MANIFEST_TYPE, "digest": base.digest, "size": size, "annotations": name}
    (base_layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}
    (base_layout / "index.json").write_text(json.dumps(index))
    (parts.folder / "Dockerfile").write_text(recipe.dockerfile())
    (parts.folder / ".dockerignore").write_text(DOCKERIGNORE)
    storage = layout.with_name("buildah")
    try:
        pulled = _run(storage, "pull", "--quiet", f"oci:{base_layout.name}:{_BASE}").split()[-1]
        built = _run(
            storage, "build", "--quiet", "--isolation", "chroot", "--timestamp", "0", "--format", "docker",
            "--from", pulled, "--pull-never", "--file", str(parts.folder / "Dockerfile"), str(parts.folder),
        ).split()[-1]  # fmt: skip
        _run(storage, "push", "--quiet", "--format", "oci", built, f"oci:{layout}:{tag}")
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    return read_layout(layout)


def read_layout(layout: Path) -> Image:
    """Read the one image of a layout."""
    entry = json.loads((layout / "index.json").read_text())["manifests"][0]
    blobs = layout / "blobs" / "sha256"
    manifest = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
    config_digest = manifest["config"]["digest"]
    config = json.loads((blobs / config_digest.removeprefix("sha256:")).read_text())
    return Image(layout, entry["digest"], config_digest, manifest, config)


def _run(storage: Path, *arguments: str) -> str:
    command = shutil.which("buildah")
    if command is None:
        raise ConfigError("buildah is not installed", hint="install it, or take builder: oci, which needs nothing")
    places = ["--root", str(storage / "root"), "--runroot", str(storage / "run"), "--storage-driver", "vfs"]
    here = storage.parent  # paths below it, for the path of the base gets into the image's history
    done = subprocess.run([command, *places, *arguments], capture_output=True, text=True, check=False, cwd=here)
    if done.returncode:
        raise ImageError(f"buildah {arguments[0]} failed: {' '.join(done.stderr.split())[-1500:]}")
    return done.stdout
