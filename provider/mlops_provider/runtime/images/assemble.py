"""An image from a base and layers: config, manifest and the folder in OCI layout."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops_provider.runtime.images.base import Base
    from mlops_provider.runtime.images.layer import Layer
    from mlops_provider.runtime.images.recipe import Recipe

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_EPOCH = "1970-01-01T00:00:00Z"
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Image:
    """An image whose blobs lie in a folder in OCI layout: digests of manifest and config as `sha256:…`."""

    layout: Path
    digest: str
    config_digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]

    def blob(self, digest: str) -> Path:
        """Give the file of a blob."""
        return self.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def blobs(self) -> list[str]:
        """Give the digests of config and layers."""
        return [self.config_digest, *(layer["digest"] for layer in self.manifest["layers"])]

    @property
    def size(self) -> int:
        """Bytes of all blobs, compressed."""
        return int(self.manifest["config"]["size"]) + sum(int(layer["size"]) for layer in self.manifest["layers"])


def assemble(layout: Path, base: Base, layers: Sequence[Layer], recipe: Recipe, tag: str) -> Image:
    """Write config, manifest and index into a layout that holds the blobs of the base and of the layers."""
    config = _config(base, layers, recipe)
    config_bytes = json_bytes(config)
    config_digest = _write(layout, config_bytes)
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config_digest, "size": len(config_bytes)},
        "layers": [*map(_as_oci, base.layers), *(layer.descriptor() for layer in layers)],
        "annotations": recipe.labels,
    }
    content = json_bytes(manifest)
    digest = _write(layout, content)
    name = {"org.opencontainers.image.ref.name": tag}
    entry = {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(content), "annotations": name}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_bytes(json_bytes({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}))
    kept = {config_digest, digest, *(layer["digest"] for layer in manifest["layers"])}
    for path in (layout / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in kept:
            path.unlink()
    return Image(layout, digest, config_digest, manifest, config)


def _config(base: Base, layers: Sequence[Layer], recipe: Recipe) -> dict[str, Any]:
    inner = dict(base.config.get("config") or {})
    variables = dict(entry.partition("=")[::2] for entry in inner.get("Env") or [])
    inner["Env"] = [f"{name}={value}" for name, value in {**variables, **recipe.variables}.items()]
    inner |= {
        "User": recipe.user,
        "WorkingDir": recipe.work,
        "Entrypoint": recipe.entrypoint,
        "Cmd": recipe.command,
        "Labels": {**(inner.get("Labels") or {}), **recipe.labels},
        "StopSignal": "SIGTERM",
    }
    if recipe.port:
        inner["ExposedPorts"] = {f"{recipe.port}/tcp": {}}
        seconds = {"Interval": 10, "Timeout": 5, "StartPeriod": 60}
        times = {name: count * _SECOND for name, count in seconds.items()}
        inner["Healthcheck"] = {"Test": ["CMD", *recipe.health], **times, "Retries": 3}
    history = [{"created": _EPOCH, "created_by": layer.origin} for layer in layers]
    return {
        "architecture": base.architecture,
        "os": "linux",
        "created": _EPOCH,
        "config": inner,
        "rootfs": {
            "type": "layers",
            "diff_ids": [*base.config["rootfs"]["diff_ids"], *(layer.diff_id for layer in layers)],
        },
        "history": [*(base.config.get("history") or []), *history],
    }


def _as_oci(layer: dict[str, Any]) -> dict[str, Any]:
    media_type = "application/vnd.oci.image.layer.v1.tar"
    zipped = "gzip" in layer["mediaType"]
    kind = layer["mediaType"] if "oci" in layer["mediaType"] else f"{media_type}{'+gzip' if zipped else ''}"
    return {"mediaType": kind, "digest": layer["digest"], "size": layer["size"]}


def _write(layout: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(content)
    return f"sha256:{digest}"
