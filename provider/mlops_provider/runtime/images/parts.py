"""The parts of an image as folders: libraries, our code, the model; ready to become layers or a build context."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ImageError
from mlops_provider.runtime.images import environment
from mlops_provider.runtime.images.base import ARCHITECTURES
from mlops_provider.runtime.images.recipe import PARTS, ROOT
from mlops_provider.serving.model_folder import SERVED_AS
from mlops_provider.store.store import MANIFEST, json_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops_provider.runtime.images.base import Base
    from mlops_provider.store.models import LoadedModel


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts lie, the exact pins of the libraries, and whether they are compiled."""

    folder: Path
    pins: list[str]
    compiled: bool

    def paths(self) -> list[tuple[str, Path]]:
        """Give the parts that are there, in the order of the layers."""
        return [(name, self.folder / name) for name in PARTS if (self.folder / name).is_dir()]


def gather(folder: Path, model: LoadedModel, base: Base, requirements: Sequence[str], purpose: str, name: str) -> Parts:
    """Put the parts of an image into a folder."""
    pins = environment.install(
        requirements, folder / "lib", python=base.python, machine=ARCHITECTURES[base.architecture]
    )
    (folder / "code").mkdir()
    environment.copy_ours(folder / "code")
    environment.copy_loader(model.content.folder, folder / "code")
    compiled = all(
        environment.compile_bytecode(folder / part, f"{ROOT}/{part}", python=base.python) for part in ("lib", "code")
    )
    if purpose == "serving":
        copy_model(model, folder / "model", name)
    return Parts(folder, pins, compiled)


def copy_model(model: LoadedModel, target: Path, name: str) -> None:
    """Copy the files of a published model with its manifest, and under which name it is served."""
    for file in model.content.manifest["files"]:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.content.folder / file, target / file)
    (target / MANIFEST).write_bytes(json_bytes(model.content.manifest))
    version = model.ref.version or model.ref.digest[:12]
    (target / SERVED_AS).write_bytes(json_bytes({"name": name, "version": version}))


def check_base(base: Base, model: LoadedModel) -> None:
    """Refuse a base whose Python is older than what the model's libraries need."""
    trained = ".".join(str(model.content.meta.get("python", "")).split(".")[:2])
    if tuple(map(int, base.python.split("."))) < (3, 11):
        raise ImageError(
            f"base image {base.name} has Python {base.python}", hint=f"3.11 at least; the model was made with {trained}"
        )
